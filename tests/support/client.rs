//! A client of the public protocol, over HTTP and WebSocket.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Error, Message, client::IntoClientRequest, http, protocol::CloseFrame},
};

use super::wait::DEADLINE;

/// The password of every user in the tests.
pub const PASSWORD: &str = "correct horse battery";

/// A registered user, and a token.
#[derive(Clone, Debug, serde::Deserialize, serde::Serialize)]
pub struct Account {
    pub id: String,
    pub name: String,
    pub token: String,
}

impl Account {
    /// The request that opens a session, as a client that has no library for it writes it.
    pub fn upgrade(&self) -> String {
        format!(
            "GET /ws/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\n\
             Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.id, self.token
        )
    }
}

/// HTTP calls.
pub struct Http {
    base: String,
    agent: ureq::Agent,
}

impl Http {
    /// To `host:port`.
    pub fn new(address: &str) -> Self {
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(DEADLINE))
            .build();
        Self { base: format!("http://{address}"), agent: config.into() }
    }

    /// A GET: status and body.
    pub fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        let mut request = self.agent.get(format!("{}{path}", self.base));
        if let Some(token) = token {
            request = request.header("Authorization", format!("Bearer {token}"));
        }
        let mut response = request.call().expect("an answer");
        let status = response.status().as_u16();
        (status, response.body_mut().read_to_string().expect("a text"))
    }

    /// A GET that must succeed, as JSON.
    pub fn get_json(&self, path: &str, token: &str) -> Value {
        let (status, body) = self.get(path, Some(token));
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).expect("JSON")
    }

    /// A POST with any body: status, headers, body.
    pub fn post(
        &self,
        path: &str,
        content_type: &str,
        body: impl AsRef<[u8]>,
    ) -> (u16, http::HeaderMap, Value) {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request.header("Content-Type", content_type);
        let mut response = request.send(body.as_ref()).expect("an answer");
        let status = response.status().as_u16();
        let text = response.body_mut().read_to_string().expect("a text");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (status, response.headers().clone(), body)
    }

    /// A POST of JSON: status and body.
    pub fn post_json(&self, path: &str, body: &Value) -> (u16, Value) {
        let (status, _, answer) = self.post(path, "application/json", body.to_string());
        (status, answer)
    }

    /// A POST of JSON with a token: status and body.
    pub fn post_as(&self, path: &str, token: &str, body: &Value) -> (u16, Value) {
        let request = self.agent.post(format!("{}{path}", self.base));
        let request = request
            .header("Content-Type", "application/json")
            .header("Authorization", format!("Bearer {token}"));
        let mut response = request.send(body.to_string()).expect("an answer");
        let text = response.body_mut().read_to_string().expect("a text");
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        (response.status().as_u16(), body)
    }

    /// Registers a user.
    pub fn register(&self, name: &str) -> Account {
        let body = json!({"username": name, "password": PASSWORD});
        let (status, answer) = self.post_json("/register", &body);
        assert_eq!(status, 201, "{answer}");
        account(&answer)
    }

    /// Logs a user in.
    pub fn login(&self, name: &str) -> Account {
        let body = json!({"username": name, "password": PASSWORD});
        let (status, answer) = self.post_json("/login", &body);
        assert_eq!(status, 200, "{answer}");
        account(&answer)
    }
}

fn account(answer: &Value) -> Account {
    let text = |key: &str| answer[key].as_str().expect("a string").to_owned();
    Account { id: text("user_id"), name: text("username"), token: text("access_token") }
}

/// How a session ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    /// With a close frame.
    Closed(u16, String),
    /// Without.
    Cut,
}

/// A WebSocket session.
pub struct Client {
    pub account: Account,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Connects with the token in the URL, as the seed's clients do.
    pub async fn connect(address: &str, account: &Account) -> Self {
        let url = format!("ws://{address}/ws/{}?token={}", account.id, account.token);
        let (socket, _) = connect_async(url).await.expect("a session");
        Self { account: account.clone(), socket }
    }

    /// A session that was opened elsewhere.
    pub fn of(account: Account, socket: WebSocketStream<MaybeTlsStream<TcpStream>>) -> Self {
        Self { account, socket }
    }

    /// Opens a session on a connection that is there already.
    pub async fn over(stream: std::net::TcpStream, account: &Account) -> Self {
        let address = stream.peer_addr().expect("a peer");
        stream.set_nonblocking(true).expect("set");
        let stream = MaybeTlsStream::Plain(TcpStream::from_std(stream).expect("a stream"));
        let url = format!("ws://{address}/ws/{}?token={}", account.id, account.token);
        let (socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("a session");
        Self { account: account.clone(), socket }
    }

    /// Tries to connect to `path` with these headers; the status of a refusal, and its body.
    pub async fn try_connect(
        address: &str,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<http::Response<()>, (u16, Value)> {
        let mut request = format!("ws://{address}{path}").into_client_request().expect("a request");
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().expect("a header"));
        }
        match connect_async(request).await {
            Ok((_, response)) => Ok(response.map(|_| ())),
            Err(Error::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                let body = serde_json::from_slice(body).unwrap_or(Value::Null);
                Err((response.status().as_u16(), body))
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The user's id.
    pub fn id(&self) -> &str {
        &self.account.id
    }

    /// Sends a frame.
    pub async fn send(&mut self, frame: Value) {
        self.send_raw(Message::text(frame.to_string())).await;
    }

    /// Sends a frame, or says how the session ended.
    pub async fn try_send(&mut self, frame: String) -> Result<(), End> {
        self.socket.send(Message::text(frame)).await.map_err(|_| End::Cut)
    }

    /// Sends anything.
    pub async fn send_raw(&mut self, message: Message) {
        self.socket.send(message).await.expect("sent");
    }

    /// Sends anything; whether the session took it.
    pub async fn try_send_raw(&mut self, message: Message) -> bool {
        self.socket.send(message).await.is_ok()
    }

    /// Queues a frame without a flush.
    pub async fn feed(&mut self, frame: Value) {
        self.socket.feed(Message::text(frame.to_string())).await.expect("fed");
    }

    /// Flushes what was fed.
    pub async fn flush(&mut self) {
        self.socket.flush().await.expect("flushed");
    }

    /// Sends a message to a user id or `@name`.
    pub async fn say(&mut self, to: &str, content: &str) {
        self.send(json!({"event": "message", "to": to, "content": content})).await;
    }

    /// The next frame.
    pub async fn next(&mut self) -> Value {
        self.try_next().await.unwrap_or_else(|end| panic!("the session ended: {end:?}"))
    }

    /// The next frame, or how the session ended.
    pub async fn try_next(&mut self) -> Result<Value, End> {
        loop {
            let next = timeout(DEADLINE, self.socket.next()).await;
            match next.expect("a frame within the deadline") {
                Some(Ok(Message::Text(text))) => {
                    return Ok(serde_json::from_str(&text).expect("JSON"));
                }
                Some(Ok(Message::Close(Some(CloseFrame { code, reason })))) => {
                    return Err(End::Closed(code.into(), reason.to_string()));
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(other)) => panic!("an unexpected {other:?}"),
                Some(Err(_)) | None => return Err(End::Cut),
            }
        }
    }

    /// The next frame of this kind; others are skipped.
    pub async fn next_event(&mut self, event: &str) -> Value {
        loop {
            let frame = self.next().await;
            if frame["event"] == event {
                return frame;
            }
        }
    }

    /// Reads until the session ends.
    pub async fn end(&mut self) -> End {
        loop {
            if let Err(end) = self.try_next().await {
                return end;
            }
        }
    }

    /// Whether nothing has arrived once a round trip is done: what the server had for this
    /// session before it would have come before the pong.
    pub async fn is_quiet(&mut self) -> bool {
        self.send_raw(Message::Ping("quiet?".into())).await;
        match timeout(DEADLINE, self.socket.next()).await.expect("a pong") {
            Some(Ok(Message::Pong(_))) => true,
            other => {
                eprintln!("not quiet: {other:?}");
                false
            }
        }
    }

    /// Closes the session in the proper way.
    pub async fn close(mut self) {
        let _ = self.socket.close(None).await;
        let _ = timeout(Duration::from_secs(5), async {
            while let Some(Ok(_)) = self.socket.next().await {}
        })
        .await;
    }
}
