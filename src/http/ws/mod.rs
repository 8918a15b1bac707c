//! `GET /ws/{user_id}`: from an HTTP request to a running session.

mod admission;
mod farewell;
mod handshake;
mod metered;
mod session;

use std::{panic::AssertUnwindSafe, sync::Arc};

use confab_plugin::{Connect, Decision, Event};
use futures_util::FutureExt;
use poem::{
    Request, Response, handler,
    http::{StatusCode, header},
    web::{Data, Path},
};
use tokio::time::Instant;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::protocol::{Role, WebSocketConfig},
};

use super::{State, bearer, client, failure::Failure};
use crate::{
    chain::Refused,
    code::{Code, Refusal},
    config,
    hub::{AddError, CloseReason, Session},
    store::{ChangedBy, Timestamp},
};
use handshake::Handshake;
use metered::Metered;
use session::{Bounds, SessionLoop};

/// Small, because a socket zero-fills its read buffer at every read and keeps it as long as it
/// lives: with 128 KiB, the library's default, an idle session costs 127 KiB (measured).
const READ_BUFFER: usize = 1024;

/// Grows only when something is written, and is flushed when it is full.
const WRITE_BUFFER: usize = 4096;

/// A message as JSON without its text, at most: the fixed part, an id, and who changed it.
const MESSAGE: usize = 512 + ChangedBy::MOST * (ChangedBy::MOST_LABEL + 3) + 32;

/// Two read marks, at most.
const MARKS: usize = 2 * 132;

/// What a peer takes at least in a client's `have`: `"@ab":1,`.
const NAMED: usize = 8;

/// The largest frame that is ever written, at most. That is a message, or the answer to a `sync`:
/// a page of messages, whose texts escapes may double, and with it, if it is the last one, the
/// read marks of each conversation that it tells of or that the client's frame names. Without
/// such a bound, the answers to unread pings pile up.
fn largest_frame(limits: &config::Limits) -> usize {
    let told = limits.sync_messages.saturating_mul(MESSAGE + MARKS);
    let named = (limits.frame.as_usize() / NAMED).saturating_mul(MARKS);
    // One message is told even if its text is larger than a page.
    let text = 2 * limits.sync.as_usize().max(limits.content.as_usize());
    text.saturating_add(told).saturating_add(named).saturating_add(512)
}

/// What sessions are made with.
#[derive(Clone, Copy)]
pub struct Sessions {
    bounds: Bounds,
    socket: WebSocketConfig,
    /// Bytes that a client may send for one message.
    unfinished: usize,
}

impl From<&config::Limits> for Sessions {
    fn from(limits: &config::Limits) -> Self {
        let socket = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(WRITE_BUFFER)
            .max_write_buffer_size(largest_frame(limits).saturating_add(WRITE_BUFFER + 1024))
            .max_message_size(Some(limits.frame.as_usize()))
            .max_frame_size(Some(limits.frame.as_usize()));
        // Fragments have heads of up to 14 bytes (RFC 6455 section 5.2), more than a short payload.
        let unfinished = limits.frame.as_usize().saturating_mul(2) + 16 * 1024;
        Self { bounds: Bounds::from(limits), socket, unfinished }
    }
}

/// Checks the request, and turns it into a session.
#[handler]
pub async fn upgrade(
    request: &Request,
    Path(user): Path<String>,
    Data(state): Data<&Arc<State>>,
) -> Result<Response, Failure> {
    let handshake = Handshake::read(request.headers())?;
    state.access.origins.check(request.headers())?;
    let claims = bearer::of_websocket(request, state)?;
    state.allow_session(claims.user)?;
    let profile = state.admission.admit(claims.user, claims.epoch).await?;
    let named = match user.strip_prefix('@') {
        Some(name) => name.eq_ignore_ascii_case(profile.user.name.as_str()),
        None => user.parse() == Ok(profile.user.id),
    };
    if !named {
        let message = "The token belongs to another user than the path names.";
        return Err(Refusal::new(Code::WrongUser, message).into());
    }
    let upgrade = request.take_upgrade().map_err(|_| handshake::not_an_upgrade())?;

    let address = client::address(request, &state.access.proxies);
    let place = state.place(client::peer(request.remote_addr()), address)?;
    let (user, backlog) = (Arc::clone(&profile.user), state.hub.backlog());
    let session = Session::new(user, claims.epoch, address, &state.limits, backlog);
    let session = Arc::new(session.of_login(claims.login));
    let event = Event::Connect(Connect::new(client::user_agent(request)));
    let passage =
        state.dispatch.enter(session.context(), event).await.map_err(Refused::into_refusal)?;
    if let Err(error) = state.dispatch.connect(&session).await {
        let (code, message) = match error {
            AddError::TooManySessions => {
                (Code::TooManySessions, "You have too many sessions open: close one of them.")
            }
            AddError::Draining => (Code::Unavailable, "The server is stopping."),
            AddError::Unavailable => (Code::Unavailable, "Accounts are unavailable: try again."),
            AddError::Ended => (Code::SessionEnded, "Your sessions were ended: log in again."),
        };
        passage.finish(Decision::Failed { code: code.as_str() });
        return Err(Refusal::new(code, message).into());
    }
    passage.finish(Decision::Accepted { seq: None, duplicate: false });

    let left = claims.expires.0.saturating_sub(Timestamp::now().0);
    let expires =
        Instant::now() + std::time::Duration::from_millis(u64::try_from(left).unwrap_or(0));
    let (dispatch, sessions) = (Arc::clone(&state.dispatch), state.sessions);
    let rate = state.frames.of(&profile.user.id, Instant::now().into_std());
    let wait = state.limits.request_timeout.0;
    state.hub.tracker().spawn(async move {
        let _place = place;
        let reason = match tokio::time::timeout(wait, upgrade).await {
            Ok(Ok(stream)) => {
                let stream = Metered::new(stream, sessions.unfinished);
                let socket =
                    WebSocketStream::from_raw_socket(stream, Role::Server, Some(sessions.socket))
                        .await;
                let (session, dispatch) = (Arc::clone(&session), Arc::clone(&dispatch));
                let mut session =
                    SessionLoop::new(socket, session, dispatch, sessions.bounds, rate, expires);
                // A session that panics must leave the hub like any other.
                let run = AssertUnwindSafe(session.run()).catch_unwind();
                run.await.unwrap_or(CloseReason::Failed)
            }
            _ => CloseReason::Client,
        };
        // On the heap, as in the loop: the task would have room for it as long as it lives.
        Box::pin(dispatch.disconnect(&session, reason)).await;
    });

    let mut response = Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, handshake.accept);
    if handshake.subprotocol {
        response = response.header(header::SEC_WEBSOCKET_PROTOCOL, bearer::SUBPROTOCOL);
    }
    Ok(response.finish())
}

#[cfg(test)]
mod tests;
