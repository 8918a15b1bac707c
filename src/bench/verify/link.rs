//! One session's socket: what waits to be written, and how long it has been silent.

use std::{
    collections::VecDeque,
    future::poll_fn,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use futures_util::{Sink as _, StreamExt as _};
use tokio_tungstenite::tungstenite::{self, Bytes, Message, Utf8Bytes};

use super::super::socket::Socket;

/// After this long without a frame the server is asked whether it is still there.
pub const SILENCE: Duration = Duration::from_secs(5);

/// And after this long without an answer it is given up.
pub const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of a closed session may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// A session's socket. Reading and writing go on at the same time, so that two full buffers never
/// wait for each other.
pub struct Link {
    socket: Socket,
    queue: VecDeque<Message>,
    unflushed: bool,
    heard: Instant,
    pinged: Option<Instant>,
    /// The close frame that came.
    closed: Option<Cut>,
}

/// Why a session ended, in a few words that many cuts have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The words.
    pub reason: String,
    /// The code of the close frame, if there was one.
    pub code: Option<u16>,
}

impl Cut {
    /// A cut without a close frame.
    pub fn without_a_word(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), code: None }
    }
}

impl Link {
    /// A new session's.
    pub fn new(socket: Socket, now: Instant) -> Self {
        Self {
            socket,
            queue: VecDeque::new(),
            unflushed: false,
            heard: now,
            pinged: None,
            closed: None,
        }
    }

    /// Puts a frame into the queue; [`next`](Self::next) writes it.
    pub fn send(&mut self, text: String) {
        self.queue.push_back(Message::text(text));
    }

    /// When the last frame of any kind came.
    pub fn heard(&self) -> Instant {
        self.heard
    }

    /// Pings after a silence; gives up when nothing comes back.
    ///
    /// # Errors
    /// The cut.
    pub fn keep_time(&mut self, now: Instant) -> Result<(), Cut> {
        match self.pinged {
            Some(pinged) if now >= pinged + PATIENCE => {
                return Err(Cut::without_a_word("no answer to a ping"));
            }
            None if now >= self.heard + SILENCE => {
                self.pinged = Some(now);
                self.queue.push_back(Message::Ping(Bytes::new()));
            }
            _ => {}
        }
        Ok(())
    }

    /// When [`keep_time`](Self::keep_time) has something to do.
    pub fn due(&self) -> Instant {
        self.pinged.map_or(self.heard + SILENCE, |pinged| pinged + PATIENCE)
    }

    /// The next text frame; meanwhile what waits is written. Safe to cancel.
    ///
    /// # Errors
    /// The cut.
    pub async fn next(&mut self) -> Result<Utf8Bytes, Cut> {
        loop {
            if let Some(cut) = &self.closed {
                let cut = cut.clone();
                self.say_farewell().await;
                return Err(cut);
            }
            let message = poll_fn(|cx| self.poll_next(cx)).await;
            self.heard = Instant::now();
            self.pinged = None;
            match message? {
                Message::Text(text) => return Ok(text),
                Message::Close(frame) => {
                    let code = frame.map(|frame| u16::from(frame.code));
                    let reason = code.map_or("closed without a code".to_owned(), |code| {
                        format!("closed with {code}")
                    });
                    // Remembered, for the farewell may be cancelled.
                    self.closed = Some(Cut { reason, code });
                }
                _ => {}
            }
        }
    }

    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Message, Cut>> {
        if let Poll::Ready(Err(error)) = self.poll_write(cx) {
            return Poll::Ready(Err(broken(&error)));
        }
        self.socket.poll_next_unpin(cx).map(|message| match message {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(broken(&error)),
            None => Err(Cut::without_a_word("end of stream")),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), tungstenite::Error>> {
        let mut socket = std::pin::Pin::new(&mut self.socket);
        while !self.queue.is_empty() {
            ready!(socket.as_mut().poll_ready(cx))?;
            if let Some(message) = self.queue.pop_front() {
                socket.as_mut().start_send(message)?;
                self.unflushed = true;
            }
        }
        if self.unflushed {
            ready!(socket.poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Lets the server see that its close frame was received.
    async fn say_farewell(&mut self) {
        let farewell = async { while let Some(Ok(_)) = self.socket.next().await {} };
        let _ = tokio::time::timeout(FAREWELL, farewell).await;
    }

    /// Closes the session in the proper way.
    pub async fn close(mut self) {
        let close = async {
            if self.socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        };
        let _ = tokio::time::timeout(FAREWELL, close).await;
    }
}

fn broken(error: &tungstenite::Error) -> Cut {
    use tungstenite::{Error, error::ProtocolError};
    let reason = match error {
        Error::Io(error) => error.kind().to_string(),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => "reset".to_owned(),
        Error::ConnectionClosed | Error::AlreadyClosed => "end of stream".to_owned(),
        other => other.to_string(),
    };
    Cut::without_a_word(reason)
}
