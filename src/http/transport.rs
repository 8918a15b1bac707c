//! A connection as it came, or within TLS: the handshake is made by whoever reads first.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use metrics::counter;
use rustls::ServerConfig;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::Semaphore,
};
use tokio_rustls::{Accept, TlsAcceptor, server::TlsStream};
use tokio_util::sync::PollSemaphore;

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
    /// The handshake has failed.
    Failed,
}

/// A TLS handshake.
pub struct Handshake {
    accept: Accept<TcpStream>,
    /// Whether the client has sent anything.
    begun: bool,
    turns: PollSemaphore,
}

impl Transport {
    /// A connection that speaks TLS, if there is a configuration for it. Its handshake is computed
    /// when one of `turns` is free: after a restart thousands come at once, a fraction of a
    /// millisecond each; those who chat wait for so many of them and not for all.
    pub fn new(stream: TcpStream, tls: Option<&Arc<ServerConfig>>, turns: &Arc<Semaphore>) -> Self {
        let Some(config) = tls else { return Self::Plain(stream) };
        let acceptor = TlsAcceptor::from(Arc::clone(config));
        let accept = acceptor.accept_with(stream, |tls| tls.set_buffer_limit(Some(BUFFER)));
        let turns = PollSemaphore::new(Arc::clone(turns));
        Self::Handshake(Box::new(Handshake { accept, begun: false, turns }))
    }

    /// Makes the handshake, where there is one to make.
    fn poll_stream(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Pin<&mut dyn Stream>>> {
        if let Self::Handshake(handshake) = self {
            let result = ready!(handshake.poll(cx));
            let word = if result.is_ok() { "success" } else { "failure" };
            counter!("confab_tls_handshakes_total", "result" => word).increment(1);
            *self = Self::Failed;
            *self = Self::Tls(Box::new(result?));
        }
        Poll::Ready(match self {
            Self::Plain(stream) => Ok(Pin::new(stream)),
            Self::Tls(stream) => Ok(Pin::new(&mut **stream)),
            Self::Handshake(_) | Self::Failed => Err(io::ErrorKind::NotConnected.into()),
        })
    }
}

impl Handshake {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TlsStream<TcpStream>>> {
        // Whoever sends nothing takes no turn.
        if let Some(stream) = self.accept.get_ref().filter(|_| !self.begun) {
            ready!(stream.poll_read_ready(cx))?;
            self.begun = true;
        }
        // Given back at once: it is about who computes, not about who is slow.
        let _turn = ready!(self.turns.poll_acquire(cx));
        Pin::new(&mut self.accept).poll(cx)
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
            Self::Tls(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::poll;
    use rustls::{crypto::aws_lc_rs, server::ResolvesServerCertUsingSni};
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    #[tokio::test]
    async fn a_handshake_waits_for_its_turn() {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        client.write_all(b"no handshake at all").await.unwrap();
        stream.readable().await.unwrap();

        let turns = Arc::new(Semaphore::new(1));
        let others = turns.acquire().await.unwrap();
        let mut transport = Transport::new(stream, Some(&Arc::new(config)), &turns);
        let mut first = [0];
        let mut read = std::pin::pin!(transport.read(&mut first));
        assert!(poll!(&mut read).is_pending(), "it is not its turn");
        drop(others);
        assert!(read.await.is_err(), "it was looked at");
        assert_eq!(turns.available_permits(), 1);
    }
}
