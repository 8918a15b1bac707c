//! The HTTP calls of the public protocol that the generator needs.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::{
    Method, Request, StatusCode,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tokio::time::timeout;

use super::{
    error::{CallError, Refused},
    target::Target,
};

/// How long a call may take, unless said otherwise: a server that hashes passwords one by one
/// needs seconds for a crowd.
pub const LIMIT: Duration = Duration::from_secs(30);

/// The largest answer that is read, in bytes: a page of history, or the metrics.
const MAX_BODY: usize = 64 << 20;

/// Calls to one server, one after the other, over a connection that is kept.
#[derive(Debug)]
pub struct Http {
    target: Target,
    limit: Duration,
    kept: Option<SendRequest<Full<Bytes>>>,
}

/// What the server answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// What `Retry-After` says, in seconds.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Bytes,
}

/// A user, and a token of theirs.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Account {
    /// What the path of a session names.
    pub user_id: String,
    /// A bearer token.
    pub access_token: String,
}

/// A message as the history tells it. What another server leaves out is empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct HistoryMessage {
    /// Its place in the conversation.
    pub seq: u64,
    /// The sender's id.
    pub from: String,
    /// The recipient's id.
    pub to: String,
    /// The text.
    pub content: String,
    /// The sender's own id for it.
    pub id: Option<String>,
}

/// A page of a conversation, ascending by `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct HistoryPage {
    /// The messages.
    pub messages: Vec<HistoryMessage>,
    /// Whether there are more beyond the page.
    #[serde(default)]
    pub more: bool,
}

/// The body of `POST /register` and `POST /login`.
#[derive(Serialize)]
struct Credentials<'a> {
    username: &'a str,
    password: &'a str,
}

/// An error's body.
#[derive(Default, Deserialize)]
#[serde(default)]
struct ErrorBody {
    code: String,
    message: String,
}

impl Http {
    /// Calls to `target`; nothing is sent yet.
    pub fn new(target: &Target) -> Self {
        Self { target: target.clone(), limit: LIMIT, kept: None }
    }

    /// The same with another limit for the whole of a call.
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Makes an account.
    ///
    /// # Errors
    /// [`CallError::Refused`] with `username_taken` when it exists.
    pub async fn register(&mut self, name: &str, password: &str) -> Result<Account, CallError> {
        let body = Credentials { username: name, password };
        let answer = self.post_json("/register", &body).await?;
        self.read(&answer)
    }

    /// Logs in.
    ///
    /// # Errors
    /// [`CallError::Refused`] when the name or the password is wrong.
    pub async fn login(&mut self, name: &str, password: &str) -> Result<Account, CallError> {
        let body = Credentials { username: name, password };
        let answer = self.post_json("/login", &body).await?;
        self.read(&answer)
    }

    /// The oldest messages of the conversation with `peer` whose `seq` is above `after`: at most
    /// `limit`, or fewer if the server's pages are smaller.
    ///
    /// # Errors
    /// When the call fails or is refused.
    pub async fn history(
        &mut self,
        account: &Account,
        peer: &str,
        after: u64,
        limit: usize,
    ) -> Result<HistoryPage, CallError> {
        let path = format!("/conversations/{peer}/messages?after={after}&limit={limit}");
        let answer = self.get(&path, Some(&account.access_token)).await?;
        self.read(&answer)
    }

    /// The text of `/metrics`; the target is an admin listener.
    ///
    /// # Errors
    /// When the call fails or is refused.
    pub async fn metrics(&mut self) -> Result<String, CallError> {
        let answer = self.get("/metrics", None).await?;
        if !answer.status.is_success() {
            return Err(answer.refused().into());
        }
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// A GET, whatever its status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&mut self, path: &str, token: Option<&str>) -> Result<Answer, CallError> {
        self.call(Method::GET, path, token, Bytes::new()).await
    }

    /// A POST of JSON, whatever the answer's status.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post_json(
        &mut self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<Answer, CallError> {
        let body = serde_json::to_vec(body).map_err(|error| self.broken(error))?;
        self.call(Method::POST, path, None, body.into()).await
    }

    async fn call(
        &mut self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Bytes,
    ) -> Result<Answer, CallError> {
        let limit = self.limit;
        match timeout(limit, self.exchange(&method, path, token, &body)).await {
            Ok(answer) => answer,
            Err(_) => {
                self.kept = None;
                Err(CallError::TimedOut { target: self.target.clone(), after: limit })
            }
        }
    }

    async fn exchange(
        &mut self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        body: &Bytes,
    ) -> Result<Answer, CallError> {
        let kept = self.kept.take().filter(|kept| !kept.is_closed());
        let was_kept = kept.is_some();
        let mut sender = match kept {
            Some(kept) => kept,
            None => self.connect().await?,
        };
        let request = || self.request(method, path, token, body);
        let mut answered = sender.send_request(request()?).await;
        // A kept connection may have been closed meanwhile: then nothing of the request was sent.
        if was_kept && answered.as_ref().is_err_and(hyper::Error::is_canceled) {
            sender = self.connect().await?;
            answered = sender.send_request(request()?).await;
        }
        let (head, body) = answered.map_err(|error| self.broken(error))?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await.map_err(|e| self.broken(e))?;
        self.kept = Some(sender);
        let retry_after = head.headers.get(header::RETRY_AFTER);
        let seconds = retry_after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
        Ok(Answer {
            status: head.status,
            retry_after: seconds.map(Duration::from_secs),
            body: body.to_bytes(),
        })
    }

    fn request(
        &self,
        method: &Method,
        path: &str,
        token: Option<&str>,
        body: &Bytes,
    ) -> Result<Request<Full<Bytes>>, CallError> {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, self.target.authority());
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        request.body(Full::new(body.clone())).map_err(|error| self.broken(error))
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, CallError> {
        let stream = self.target.connect(self.limit).await?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| self.broken(error))?;
        // It ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }

    /// The body of a success, or the refusal.
    fn read<T: DeserializeOwned>(&self, answer: &Answer) -> Result<T, CallError> {
        if !answer.status.is_success() {
            return Err(answer.refused().into());
        }
        serde_json::from_slice(&answer.body)
            .map_err(|error| self.broken(format!("an answer that is not understood: {error}")))
    }

    fn broken(&self, why: impl std::fmt::Display) -> CallError {
        CallError::Broken { target: self.target.clone(), why: why.to_string() }
    }
}

impl Answer {
    /// What an answer with an error's status says.
    pub fn refused(&self) -> Refused {
        let body: ErrorBody = serde_json::from_slice(&self.body).unwrap_or_default();
        Refused {
            status: self.status.as_u16(),
            code: body.code,
            message: body.message,
            retry_after: self.retry_after,
        }
    }
}

impl From<Refused> for CallError {
    fn from(refused: Refused) -> Self {
        Self::Refused(Box::new(refused))
    }
}
