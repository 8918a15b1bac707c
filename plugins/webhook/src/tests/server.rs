//! A little HTTP service on a loopback port, which answers as the test says.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use serde_json::Value;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::watch,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// How long a test waits for what must come.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Received {
    pub line: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(String::as_str).unwrap_or_default()
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

/// What the service does with a request.
#[derive(Clone, Debug)]
pub enum Reply {
    /// Answers 200 with this body.
    Json(&'static str),
    /// Answers with this status and no body.
    Status(u16),
    /// Sends these bytes.
    Raw(String),
    /// Sends these bytes and closes the connection.
    RawAndClose(String),
    /// Sends a head, and then one byte of the body after the other, without an end.
    Drip,
    /// Leaves the request without an answer until the client closes the connection.
    Hang,
    /// Answers 204 once the other side says so.
    Later(watch::Receiver<bool>),
}

/// The service, until it is dropped.
pub struct Server {
    pub address: SocketAddr,
    pub received: Arc<Mutex<Vec<Received>>>,
    state: watch::Receiver<State>,
    task: tokio::task::JoinHandle<()>,
}

/// How many connections and requests there were.
#[derive(Clone, Copy, Debug, Default)]
pub struct State {
    pub accepted: usize,
    pub ready: usize,
    pub open: usize,
    pub requests: usize,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Script = Arc<dyn Fn(usize) -> Reply + Send + Sync>;

impl Server {
    /// A service that does with its `n`th request what `script` says, from 0.
    pub async fn new(script: impl Fn(usize) -> Reply + Send + Sync + 'static) -> Self {
        Self::with_tls(script, None).await
    }

    /// A service that answers every request alike.
    pub async fn always(reply: Reply) -> Self {
        Self::new(move |_| reply.clone()).await
    }

    /// A service with TLS, which shakes hands once the other side of `tls` says so.
    pub async fn with_tls(
        script: impl Fn(usize) -> Reply + Send + Sync + 'static,
        tls: Option<(TlsAcceptor, watch::Receiver<bool>)>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (told, state) = watch::channel(State::default());
        let received = Arc::default();
        let shared = Shared { script: Arc::new(script), told, received: Arc::clone(&received) };
        let task = tokio::spawn(async move {
            loop {
                let (tcp, _) = listener.accept().await.unwrap();
                shared.told.send_modify(|s| (s.accepted, s.open) = (s.accepted + 1, s.open + 1));
                let (shared, tls) = (shared.clone(), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => shared.serve(tcp).await,
                        Some((acceptor, mut go)) => {
                            let _ = go.wait_for(|go| *go).await;
                            if let Ok(stream) = acceptor.accept(tcp).await {
                                shared.serve(stream).await;
                            }
                        }
                    }
                    shared.told.send_modify(|s| s.open -= 1);
                });
            }
        });
        Self { address, received, state, task }
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook?a=b", self.address)
    }

    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// Waits until the connections and requests are as `wanted`.
    pub async fn until(&self, wanted: impl Fn(&State) -> bool) {
        let mut state = self.state.clone();
        let reached = timeout(DEADLINE, state.wait_for(|state| wanted(state))).await;
        assert!(reached.is_ok(), "it stays at {:?}", self.state());
    }

    /// The requests that arrived.
    pub fn requests(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

#[derive(Clone)]
struct Shared {
    script: Script,
    told: watch::Sender<State>,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Shared {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        self.told.send_modify(|s| s.ready += 1);
        let mut buffer = Vec::new();
        while let Some(request) = read(&mut stream, &mut buffer).await {
            let n = {
                let mut received = self.received.lock().unwrap();
                received.push(request);
                received.len() - 1
            };
            self.told.send_modify(|s| s.requests += 1);
            if !answer(&mut stream, (self.script)(n)).await {
                return;
            }
        }
    }
}

/// Reads a request; `None` if the client has gone.
async fn read(stream: &mut (impl AsyncRead + Unpin), buffer: &mut Vec<u8>) -> Option<Received> {
    loop {
        if let Some(end) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            let head = String::from_utf8(buffer[..end].to_vec()).unwrap();
            let mut lines = head.split("\r\n");
            let line = lines.next().unwrap().to_owned();
            let headers: BTreeMap<_, _> = lines
                .map(|line| line.split_once(": ").unwrap())
                .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
                .collect();
            let length: usize = headers["content-length"].parse().unwrap();
            if buffer.len() >= end + 4 + length {
                let body = buffer[end + 4..end + 4 + length].to_vec();
                buffer.drain(..end + 4 + length);
                return Some(Received { line, headers, body });
            }
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
        }
    }
}

/// Whether the connection stays open.
async fn answer(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), reply: Reply) -> bool {
    let bytes = match &reply {
        Reply::Json(body) => {
            let length = body.len();
            format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")
        }
        Reply::Status(204) => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        Reply::Status(status) => format!("HTTP/1.1 {status} x\r\ncontent-length: 0\r\n\r\n"),
        Reply::Raw(bytes) | Reply::RawAndClose(bytes) => bytes.clone(),
        Reply::Drip => "HTTP/1.1 200 OK\r\ncontent-length: 60000\r\n\r\n".to_owned(),
        Reply::Hang => String::new(),
        Reply::Later(go) => {
            let _ = go.clone().wait_for(|go| *go).await;
            "HTTP/1.1 204 No Content\r\n\r\n".to_owned()
        }
    };
    if stream.write_all(bytes.as_bytes()).await.is_err() || stream.flush().await.is_err() {
        return false;
    }
    match reply {
        Reply::RawAndClose(_) => false,
        Reply::Hang => {
            let _ = stream.read(&mut [0]).await;
            false
        }
        Reply::Drip => loop {
            if stream.write_all(b" ").await.is_err() || stream.flush().await.is_err() {
                return false;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        },
        _ => true,
    }
}
