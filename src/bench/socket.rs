//! Opens a session: a WebSocket on which a user is logged in.

use std::time::Duration;

use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream, client_async_with_config,
    tungstenite::{self, client::IntoClientRequest as _, http, protocol::WebSocketConfig},
};

use super::{
    error::{CallError, Refused},
    http::Account,
    target::{Connection, Target},
};

/// A session's socket.
pub type Socket = WebSocketStream<Connection>;

/// How long opening a session may take.
pub const LIMIT: Duration = Duration::from_secs(10);

/// How much is read and written at once, in bytes. The library fills its read buffer with zeros
/// before each read, and an idle session keeps it.
const BUFFER: usize = 4096;

/// The largest frame that is taken, in bytes: the answer to a `sync` is large.
const MAX_FRAME: usize = 64 << 20;

/// Where the token of a handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenIn {
    /// In `Authorization: Bearer`.
    Header,
    /// In the parameter `token` of the URL, for servers that know nothing else.
    Query,
}

/// Opens a session of `account` within [`LIMIT`].
///
/// # Errors
/// [`CallError::Refused`] with the status and code of the answer when the server does not
/// upgrade; else what broke.
pub async fn connect(
    target: &Target,
    account: &Account,
    token_in: TokenIn,
) -> Result<Socket, CallError> {
    match timeout(LIMIT, open(target, account, token_in)).await {
        Ok(opened) => opened,
        Err(_) => Err(CallError::TimedOut { target: target.clone(), after: LIMIT }),
    }
}

/// Where this server wants the token, found out by opening a session.
///
/// # Errors
/// When it takes neither; the refusal is that of the header.
pub async fn find_token_in(target: &Target, account: &Account) -> Result<TokenIn, CallError> {
    let error = match connect(target, account, TokenIn::Header).await {
        Ok(_) => return Ok(TokenIn::Header),
        Err(error @ CallError::Refused(_)) => error,
        // Servers that know no other place may as well hang up.
        Err(error @ CallError::Broken { .. }) => error,
        Err(error) => return Err(error),
    };
    match connect(target, account, TokenIn::Query).await {
        Ok(_) => Ok(TokenIn::Query),
        Err(_) => Err(error),
    }
}

async fn open(target: &Target, account: &Account, token_in: TokenIn) -> Result<Socket, CallError> {
    let broken = |error: tungstenite::Error| CallError::Broken {
        target: target.clone(),
        why: error.to_string(),
    };
    let Account { user_id, access_token } = account;
    let mut url = format!("ws://{}/ws/{user_id}", target.authority());
    if token_in == TokenIn::Query {
        url += &format!("?token={access_token}");
    }
    let mut request = url.into_client_request().map_err(broken)?;
    if token_in == TokenIn::Header {
        let value = http::HeaderValue::try_from(format!("Bearer {access_token}"));
        let value = value.map_err(|error| broken(error.into()))?;
        request.headers_mut().insert(http::header::AUTHORIZATION, value);
    }
    let stream = target.connect(LIMIT).await?;
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(BUFFER)
        .max_message_size(Some(MAX_FRAME))
        .max_frame_size(Some(MAX_FRAME));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(answer)) => Err(refused(&answer).into()),
        Err(error) => Err(broken(error)),
    }
}

/// The body of a refused handshake may not have arrived whole: then only its status is known.
fn refused(answer: &http::Response<Option<Vec<u8>>>) -> Refused {
    let body = answer.body().clone().unwrap_or_default();
    let retry_after = answer.headers().get(http::header::RETRY_AFTER);
    let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let answer = super::http::Answer {
        status: answer.status(),
        retry_after: seconds.map(Duration::from_secs),
        body: body.into(),
    };
    answer.refused()
}
