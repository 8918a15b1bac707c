//! A proxy before a daemon that lies to one user about one message.

use std::sync::{Arc, Mutex};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_tungstenite::{
    accept_hdr_async, connect_async,
    tungstenite::{
        Message,
        client::IntoClientRequest as _,
        handshake::server::{ErrorResponse, Request, Response},
        http::HeaderMap,
    },
};

/// The message that is lied about, by its place.
const PLACE: u64 = 7;

/// How it lies to the one who is not the sender of message 7, on all their devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// It is not delivered, and not in the answers to `sync`, which are complete all the same.
    Swallow,
    /// It is delivered twice.
    Repeat,
    /// It is delivered after the next.
    Swap,
    /// To its sender instead: it is never acknowledged, nor is any error told.
    Silence,
}

/// The proxy; it ends when dropped.
pub struct Liar {
    address: String,
    runtime: Option<Runtime>,
}

impl Liar {
    /// Before the daemon at `upstream`.
    pub fn start(upstream: &str, lie: Lie) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let upstream: Arc<str> = upstream.into();
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, Arc::clone(&upstream), lie));
            }
        });
        Self { address, runtime: Some(runtime) }
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }
}

impl Drop for Liar {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn serve(mut stream: TcpStream, upstream: Arc<str>, lie: Lie) {
    let mut start = [0; 8];
    while stream.peek(&mut start).await.is_ok_and(|n| n > 0 && n < start.len()) {
        tokio::task::yield_now().await;
    }
    if &start != b"GET /ws/" {
        let mut to = TcpStream::connect(&*upstream).await.expect("the daemon");
        let _ = copy_bidirectional(&mut stream, &mut to).await;
        return;
    }
    let asked: Mutex<(String, HeaderMap)> = Mutex::default();
    #[allow(clippy::result_large_err, reason = "the library's type")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        *asked.lock().expect("free") = (request.uri().to_string(), request.headers().clone());
        Ok(response)
    };
    let mut client = accept_hdr_async(stream, note).await.expect("a handshake");
    let (path, headers) = asked.into_inner().expect("free");
    let user = path.trim_start_matches("/ws/").split('?').next().expect("a user").to_owned();
    let mut request = format!("ws://{upstream}{path}").into_client_request().expect("a request");
    if let Some(token) = headers.get("authorization") {
        request.headers_mut().insert("authorization", token.clone());
    }
    let (mut server, _) = connect_async(request).await.expect("a session");
    let mut held = None;
    loop {
        tokio::select! {
            message = client.next() => match message {
                Some(Ok(message)) => {
                    if server.send(message).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
            message = server.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    let frame = serde_json::from_str(&text).expect("JSON");
                    for told in lied(frame, &user, lie, &mut held) {
                        if client.send(Message::text(told.to_string())).await.is_err() {
                            return;
                        }
                    }
                }
                Some(Ok(message)) => {
                    if client.send(message).await.is_err() {
                        return;
                    }
                }
                _ => return,
            },
        }
    }
}

/// What is told instead of a frame.
fn lied(mut frame: Value, user: &str, lie: Lie, held: &mut Option<Value>) -> Vec<Value> {
    let is_it = |message: &Value| {
        let own = message["from"] == user;
        message["seq"] == PLACE && own == (lie == Lie::Silence)
    };
    if matches!(lie, Lie::Swallow | Lie::Silence)
        && let Some(messages) = frame["messages"].as_array_mut()
    {
        messages.retain(|message| lie == Lie::Silence || !is_it(message));
        return vec![frame];
    }
    if frame["event"] != "message" {
        return vec![frame];
    }
    match (lie, is_it(&frame)) {
        (Lie::Swallow | Lie::Silence, true) => Vec::new(),
        (Lie::Repeat, true) => vec![frame.clone(), frame],
        (Lie::Swap, true) => {
            *held = Some(frame);
            Vec::new()
        }
        _ => std::iter::once(frame).chain(held.take()).collect(),
    }
}
