//! An HTTP service that plugins call, and that misbehaves when it is told to.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};

/// How long a slow service takes.
const SLOW: Duration = Duration::from_millis(200);

/// What the service does with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Lets everything pass, but refuses what says "refuse me".
    Well,
    /// Never answers.
    Hangs,
    /// Never answers what says "hang", and lets the rest pass.
    HangsOnWord,
    /// Never answers the first request, and lets the rest pass.
    HangsFirst,
    /// Answers 500.
    Fails,
    /// As `Well`, but it takes its time.
    Slow,
    /// Answers what says "hold" only after [`Endpoint::release`], and lets the rest pass.
    HoldsOnWord,
}

/// A service on a free port; it ends with the test.
pub struct Endpoint {
    address: String,
    read: Read,
    gate: Arc<Semaphore>,
}

/// The bodies of the requests that it has read.
type Read = Arc<Mutex<Vec<String>>>;

impl Endpoint {
    pub async fn start(mood: Mood) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let read = Read::default();
        let gate = Arc::new(Semaphore::new(0));
        let (bodies, held) = (Arc::clone(&read), Arc::clone(&gate));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, mood, Arc::clone(&bodies), Arc::clone(&held)));
            }
        });
        Self { address, read, gate }
    }

    /// Answers what is held, and holds nothing any more.
    pub fn release(&self) {
        self.gate.close();
    }

    /// A URL where nobody listens.
    pub async fn nobody() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    }

    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// How many requests it has read.
    pub fn asked(&self) -> usize {
        self.bodies().len()
    }

    /// The bodies of the requests that it has read.
    pub fn bodies(&self) -> Vec<String> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn serve(mut stream: TcpStream, mood: Mood, read: Read, gate: Arc<Semaphore>) {
    while let Some(body) = request(&mut stream).await {
        let count = {
            let mut read = read.lock().unwrap_or_else(PoisonError::into_inner);
            read.push(body.clone());
            read.len()
        };
        let hangs = match mood {
            Mood::Hangs => true,
            Mood::HangsOnWord => body.contains("hang"),
            Mood::HangsFirst => count == 1,
            Mood::Well | Mood::Fails => false,
            Mood::HoldsOnWord => {
                if body.contains("hold") {
                    let _released = gate.acquire().await;
                }
                false
            }
            Mood::Slow => {
                tokio::time::sleep(SLOW).await;
                false
            }
        };
        if hangs {
            tokio::time::sleep(Duration::from_secs(3600)).await;
        }
        let answer = match mood {
            Mood::Fails => "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n".to_owned(),
            _ if body.contains("refuse me") => {
                let verdict = r#"{"verdict":"deny","code":"not_nice","message":"Be nice."}"#;
                format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{verdict}", verdict.len())
            }
            _ => "HTTP/1.1 204 No Content\r\n\r\n".to_owned(),
        };
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

/// The body of the next request; `None` when there is none.
async fn request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        if let Some(head) = read.windows(4).position(|part| part == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&read[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
            let end = head + 4 + length.trim().parse::<usize>().ok()?;
            if read.len() >= end {
                return Some(String::from_utf8_lossy(&read[head + 4..end]).into_owned());
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
