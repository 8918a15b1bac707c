//! The end of a session that the server closes.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{self, Message, protocol::CloseFrame},
};

use super::metered::Metered;
use crate::hub::CloseReason;

/// How long the client gets to answer a close frame before the connection is dropped.
pub const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// How many frames that were on their way may come before the answer; what a client sends that does
/// not mind is not taken apart any more.
const FRAMES: usize = 64;

/// How much is thrown away at once, in bytes.
const PIECE: usize = 8 * 1024;

/// How long a client that sends more than that waits for the next: to throw away all that somebody
/// can send would be a burden on others.
const PAUSE: Duration = Duration::from_millis(20);

/// Says why, and waits for the client to agree, for [`CLOSE_WAIT`] at the most: dropping a
/// connection with unread input would reset it, and the client might never see the reason.
pub async fn farewell<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<Metered<S>>,
    reason: CloseReason,
) {
    let _ = timeout(CLOSE_WAIT, say(socket, reason)).await;
}

async fn say<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<Metered<S>>,
    reason: CloseReason,
) -> Result<(), tungstenite::Error> {
    let frame = CloseFrame { code: reason.code().into(), reason: reason.message().into() };
    socket.send(Message::Close(Some(frame))).await?;
    for _ in 0..FRAMES {
        let Some(Ok(_)) = socket.next().await else { break };
    }
    let stream = socket.get_mut().unmetered();
    stream.shutdown().await?;
    // After a protocol error the socket no longer reads; its stream still does.
    let mut piece = vec![0; PIECE];
    loop {
        match stream.read(&mut piece).await? {
            0 => return Ok(()),
            PIECE => sleep(PAUSE).await,
            _ => {}
        }
    }
}
