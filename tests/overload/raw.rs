//! A WebSocket client that reads when it likes, with a small buffer of its own.

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpSocket, TcpStream},
};

use crate::support::{Daemon, client::Account};

/// Opens a session; nothing is read beyond the answer's head.
pub async fn session(daemon: &Daemon, account: &Account) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("small");
    let mut stream = socket.connect(daemon.address().parse().unwrap()).await.expect("connected");
    let request = format!(
        "GET /ws/{} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\nConnection: Upgrade\r\n\
         Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        account.id, account.token
    );
    stream.write_all(request.as_bytes()).await.expect("written");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("an answer"));
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A masked frame without a payload: RFC 6455 section 5.2.
pub fn empty(opcode: u8, last: bool) -> [u8; 6] {
    [opcode | if last { 0x80 } else { 0 }, 0x80, 0, 0, 0, 0]
}
