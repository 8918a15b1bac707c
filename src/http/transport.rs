//! A connection as it came, or within TLS: the handshake is made by whoever reads first.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use metrics::counter;
use rustls::{ServerConfig, ServerConnection, server::Acceptor};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Semaphore,
};
use tokio_rustls::{Accept, LazyConfigAcceptor, TlsAcceptor, server::TlsStream};
use tokio_util::sync::PollSemaphore;

use crate::tls::{HANDSHAKES, Server};

/// What may wait in TLS for a slow client, in bytes: one record.
const BUFFER: usize = 16 * 1024;

/// A connection.
pub enum Transport {
    /// As it came.
    Plain(TcpStream),
    /// On the way to TLS.
    Handshake(Box<Handshake>),
    /// Within TLS. In a box, so that a plain connection pays nothing for it.
    Tls(Box<TlsStream<TcpStream>>),
    /// It was the handshake of an ACME server, which has seen what it came for.
    Challenge(Box<TlsStream<TcpStream>>),
    /// The handshake has failed.
    Failed,
}

/// A TLS handshake.
pub struct Handshake {
    step: Step,
    /// Whether the client has sent anything.
    begun: bool,
    turns: PollSemaphore,
    /// Whether it is that of an ACME server.
    is_challenge: bool,
}

enum Step {
    /// While an ACME server is awaited, what a client is answered with depends on what it asks for.
    Hello(LazyConfigAcceptor<TcpStream>, Arc<Server>),
    Accept(Accept<TcpStream>),
}

impl Transport {
    /// A connection that speaks TLS, if there is something to speak it with. Its handshake is
    /// computed when one of `turns` is free: after a restart thousands come at once, a fraction of
    /// a millisecond each; those who chat wait for so many of them and not for all.
    pub fn new(stream: TcpStream, tls: Option<&Arc<Server>>, turns: &Arc<Semaphore>) -> Self {
        let Some(server) = tls else { return Self::Plain(stream) };
        let step = if server.challenges().is_empty() {
            let acceptor = TlsAcceptor::from(Arc::clone(server.config()));
            Step::Accept(acceptor.accept_with(stream, bound))
        } else {
            let acceptor = LazyConfigAcceptor::new(Acceptor::default(), stream);
            Step::Hello(acceptor, Arc::clone(server))
        };
        let turns = PollSemaphore::new(Arc::clone(turns));
        Self::Handshake(Box::new(Handshake { step, begun: false, turns, is_challenge: false }))
    }

    /// Makes the handshake, where there is one to make.
    fn poll_handshake(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Self::Handshake(handshake) = self {
            let result = ready!(handshake.poll(cx));
            let is_challenge = handshake.is_challenge;
            let word = match &result {
                // Whether it went well, the ACME server says.
                _ if is_challenge => "challenge",
                Ok(_) => "success",
                Err(_) => "failure",
            };
            counter!(HANDSHAKES, "result" => word).increment(1);
            *self = Self::Failed;
            let stream = Box::new(result?);
            *self = if is_challenge { Self::Challenge(stream) } else { Self::Tls(stream) };
        }
        Poll::Ready(Ok(()))
    }

    /// What is spoken on, once there is something.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Stream>>> {
        ready!(self.poll_handshake(cx))?;
        Poll::Ready(match self {
            Self::Plain(stream) => Ok(Pin::new(stream)),
            Self::Tls(stream) => Ok(Pin::new(&mut **stream)),
            Self::Handshake(_) | Self::Challenge(_) | Self::Failed => {
                Err(io::ErrorKind::NotConnected.into())
            }
        })
    }
}

/// Bounds what waits for the client.
fn bound(tls: &mut ServerConnection) {
    tls.set_buffer_limit(Some(BUFFER));
}

impl Handshake {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TlsStream<TcpStream>>> {
        // Whoever sends nothing takes no turn.
        if let Step::Accept(accept) = &self.step
            && let Some(stream) = accept.get_ref().filter(|_| !self.begun)
        {
            ready!(stream.poll_read_ready(cx))?;
            self.begun = true;
        }
        // Given back at once: it is about who computes, not about who is slow.
        let _turn = ready!(self.turns.poll_acquire(cx));
        if let Step::Hello(acceptor, server) = &mut self.step {
            let hello = ready!(Pin::new(acceptor).poll(cx))?;
            let challenge = server.challenges().answer(&hello.client_hello());
            self.is_challenge = challenge.is_some();
            let config: Arc<ServerConfig> =
                challenge.unwrap_or_else(|| Arc::clone(server.config()));
            self.step = Step::Accept(hello.into_stream_with(config, bound));
            self.begun = true;
        }
        match &mut self.step {
            Step::Accept(accept) => Pin::new(accept).poll(cx),
            Step::Hello(..) => Poll::Pending,
        }
    }
}

/// What a connection can do, within TLS or not.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl Stream for TcpStream {}
impl Stream for TlsStream<TcpStream> {}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_handshake(cx))?;
        if matches!(*self, Self::Challenge(_)) {
            // The end: nothing is asked on such a connection.
            return Poll::Ready(Ok(()));
        }
        ready!(self.poll_stream(cx))?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for Transport {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_stream(cx))?.poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_stream(cx))?.poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        // Of TCP and of TLS.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_stream(cx))?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            // Nobody waits for the handshake of a connection that is given up.
            Self::Handshake(_) | Self::Failed => Poll::Ready(Ok(())),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) | Self::Challenge(stream) => {
                Pin::new(&mut **stream).poll_shutdown(cx)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_handshake_waits_for_its_turn() {
        let server = Arc::new(Server::new(None).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(b"no handshake at all").await.unwrap();
        stream.readable().await.unwrap();

        let turns = Arc::new(Semaphore::new(1));
        let others = turns.acquire().await.unwrap();
        let mut transport = Transport::new(stream, Some(&server), &turns);
        let mut first = [0];
        let mut read = std::pin::pin!(transport.read(&mut first));
        assert!(poll!(&mut read).is_pending(), "it is not its turn");
        drop(others);
        assert!(read.await.is_err(), "it was looked at");
        assert_eq!(turns.available_permits(), 1);
    }
}
