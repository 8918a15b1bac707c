//! One request to the service, and its answer: no redirects, no proxies, everything bounded.

use std::{error::Error, fmt, time::Duration};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Request, StatusCode,
    body::{Body, Incoming},
    header::{ACCEPT, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT},
};
use tokio::time::timeout;

use crate::{
    connect::{Connection, Connector},
    pool::Pool,
    target::Target,
};

const WEBHOOK_ID: HeaderName = HeaderName::from_static("webhook-id");
const WEBHOOK_TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
const WEBHOOK_SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");
const AGENT: &str = concat!("confab-webhook/", env!("CARGO_PKG_VERSION"));

/// How long a body that nobody wants is waited for, to keep its connection.
const REST: Duration = Duration::from_millis(100);

/// A request, but for where it goes.
pub struct Post<'a> {
    /// The value of `webhook-id`.
    pub id: &'a str,
    /// When it is sent, in seconds since 1970.
    pub timestamp: u64,
    /// The value of `webhook-signature`.
    pub signature: Option<String>,
    /// The body, in JSON.
    pub body: Bytes,
}

/// What the service answered.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The body; empty unless the status is 200 and the body was asked for.
    pub body: Bytes,
}

/// Why there is no usable answer. It never shows the URL, nor what was sent or answered.
#[derive(Debug)]
pub struct Failure {
    message: String,
    /// The status that was not the one asked for.
    pub status: Option<StatusCode>,
}

impl Failure {
    /// For the reason `message`.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), status: None }
    }

    /// The service answered with `status`.
    pub fn refused(status: StatusCode) -> Self {
        let hint = if status.is_redirection() { ": redirects are not followed" } else { "" };
        let message = format!("the service answered {status}{hint}");
        Self { message, status: Some(status) }
    }

    /// `what` went wrong because of `error` and what caused it.
    pub fn because(what: &str, error: &dyn Error) -> Self {
        let mut message = format!("{what}: {error}");
        let mut source = error.source();
        while let Some(error) = source {
            let cause = error.to_string();
            if !message.ends_with(&cause) {
                message = format!("{message}: {cause}");
            }
            source = error.source();
        }
        Self::new(message)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Failure {}

/// Sends requests to one service.
pub struct Client {
    host_header: HeaderValue,
    path: hyper::Uri,
    pool: Pool,
    max_answer: usize,
}

/// How a request on one connection failed.
enum Lost {
    /// Before any of the answer came.
    Unanswered(hyper::Error),
    /// Later.
    Failed(Failure),
}

impl Client {
    /// Sends to `target` over connections of `connector`, and reads answers of at most
    /// `max_answer` bytes.
    pub fn new(target: &Target, connector: Connector, max_answer: usize) -> Self {
        let pool = Pool::new(connector);
        let (host_header, path) = (target.host_header.clone(), target.path.clone());
        Self { host_header, path, pool, max_answer }
    }

    /// Sends a request; with `read`, the body of an answer 200 is read. May be dropped at any
    /// time: that closes the connection that was in use.
    ///
    /// A service may close a connection that waits just as a request is sent on it. So a request
    /// that got no answer there is sent once more, on a new connection.
    ///
    /// # Errors
    /// When there is no answer, or a longer one.
    pub async fn send(&self, post: &Post<'_>, read: bool) -> Result<Answer, Failure> {
        let connection = self.pool.take().await?;
        let parked = connection.parked.is_some();
        let done = match self.exchange(connection, post, read).await {
            Err(Lost::Unanswered(error)) if parked && !error.is_parse() => {
                let connection = self.pool.dial().await?;
                self.exchange(connection, post, read).await
            }
            done => done,
        };
        done.map_err(|lost| match lost {
            Lost::Unanswered(error) => Failure::because("no answer from the service", &error),
            Lost::Failed(failure) => failure,
        })
    }

    /// Closes the connections that wait.
    pub fn close(&self) {
        self.pool.close();
    }

    async fn exchange(
        &self,
        mut connection: Connection,
        post: &Post<'_>,
        read: bool,
    ) -> Result<Answer, Lost> {
        let request = self.request(post).map_err(Lost::Failed)?;
        connection.sender.ready().await.map_err(Lost::Unanswered)?;
        let sent = connection.sender.send_request(request).await;
        let (head, body) = sent.map_err(Lost::Unanswered)?.into_parts();
        let status = head.status;
        if read && status == StatusCode::OK {
            let body = self.read(body).await.map_err(Lost::Failed)?;
            self.pool.park(connection);
            return Ok(Answer { status, body });
        }
        if self.finish(body).await {
            self.pool.park(connection);
        }
        Ok(Answer { status, body: Bytes::new() })
    }

    fn request(&self, post: &Post<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let mut request = Request::post(self.path.clone())
            .header(HOST, self.host_header.clone())
            .header(USER_AGENT, HeaderValue::from_static(AGENT))
            .header(ACCEPT, HeaderValue::from_static("application/json"))
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header(WEBHOOK_ID, post.id)
            .header(WEBHOOK_TIMESTAMP, post.timestamp);
        if let Some(signature) = &post.signature {
            request = request.header(WEBHOOK_SIGNATURE, signature);
        }
        request
            .body(Full::new(post.body.clone()))
            .map_err(|error| Failure::because("no request", &error))
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Failure> {
        let max = self.max_answer;
        let too_long = || Failure::new(format!("the answer is longer than {max} bytes"));
        if body.size_hint().lower() > max as u64 {
            return Err(too_long());
        }
        match Limited::new(body, max).collect().await {
            Ok(body) => Ok(body.to_bytes()),
            Err(error) if error.is::<http_body_util::LengthLimitError>() => Err(too_long()),
            Err(error) => Err(Failure::because("the answer broke off", &*error)),
        }
    }

    /// Whether a body that nobody wants has ended, and its connection can be used again.
    async fn finish(&self, body: Incoming) -> bool {
        let rest = Limited::new(body, self.max_answer).collect();
        matches!(timeout(REST, rest).await, Ok(Ok(_)))
    }
}
