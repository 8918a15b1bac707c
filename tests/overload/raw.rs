//! A WebSocket client that reads when it likes, with a small buffer of its own.

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{Daemon, client::Account};

/// Opens a session with a small window; nothing is read beyond the answer's head.
pub async fn session(daemon: &Daemon, account: &Account) -> TcpStream {
    let opened = open(daemon.address(), account, false).await;
    opened.expect("an answer").expect("a session")
}

/// Tries to open a session; `None` when it is refused. Whoever reads a lot has a large window.
pub async fn open(
    address: &str,
    account: &Account,
    reads: bool,
) -> std::io::Result<Option<TcpStream>> {
    let (stream, head) = ask(address, &account.upgrade(), reads).await?;
    Ok(head.starts_with(b"HTTP/1.1 101 ").then_some(stream))
}

/// Tries to log in, over a connection of its own; waits for the answer's head.
pub async fn log_in(address: &str, username: &str, password: &str) -> std::io::Result<()> {
    let body = json!({"username": username, "password": password}).to_string();
    let request = format!(
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    ask(address, &request, true).await.map(drop)
}

/// Sends a request and reads the head of its answer. The connection is reset when it is dropped,
/// so that ports don't run out.
async fn ask(address: &str, request: &str, reads: bool) -> std::io::Result<(TcpStream, Vec<u8>)> {
    let socket = TcpSocket::new_v4()?;
    if !reads {
        socket.set_recv_buffer_size(4096)?;
    }
    socket.set_zero_linger()?;
    let mut stream = socket.connect(address.parse().expect("an address")).await?;
    stream.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    Ok((stream, head))
}

/// A masked text frame of up to 125 bytes: RFC 6455 section 5.2.
pub fn text(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("short");
    [&[0x81, 0x80 | length, 0, 0, 0, 0], text.as_bytes()].concat()
}

/// A masked frame without a payload: RFC 6455 section 5.2.
pub fn empty(opcode: u8, last: bool) -> [u8; 6] {
    [opcode | if last { 0x80 } else { 0 }, 0x80, 0, 0, 0, 0]
}
