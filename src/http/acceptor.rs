//! Accepts connections, so many at a time, and gives each a deadline for its request.
//!
//! A server that only bounds idle time can be held open by one header each second.

use std::{
    future::Future,
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use poem::{
    http::uri::Scheme,
    listener::{Acceptor, TcpAcceptor},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

/// How long to wait after accepting failed, as it does when file descriptors run out: the
/// server's loop would otherwise spin.
const PAUSE: Duration = Duration::from_millis(100);

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Open connections; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// From the first byte that is awaited until the answer begins.
    pub request: Duration,
    /// Without a request, or without taking the answer.
    pub keep_alive: Duration,
}

/// Accepts within bounds.
pub struct Guarded {
    inner: TcpAcceptor,
    permits: Arc<Semaphore>,
    bounds: Bounds,
}

impl Guarded {
    /// Accepts from `listener` within `bounds`.
    ///
    /// # Errors
    /// The system's own.
    pub fn new(listener: std::net::TcpListener, bounds: Bounds) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            inner: TcpAcceptor::from_std(listener)?,
            permits: Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS))),
            bounds,
        })
    }
}

impl Acceptor for Guarded {
    type Io = GuardedStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(GuardedStream, LocalAddr, RemoteAddr, Scheme)> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(io::Error::other)?;
        let accepted = match self.inner.accept().await {
            // Frames are written whole; waiting to fill a packet only delays them.
            Ok((stream, ..)) if stream.set_nodelay(true).is_err() => {
                Err(io::Error::from(io::ErrorKind::NotConnected))
            }
            accepted => accepted,
        };
        match accepted {
            Ok((stream, local, remote, scheme)) => {
                let stream = GuardedStream::new(stream, permit, self.bounds);
                Ok((stream, local, remote, scheme))
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotConnected {
                    tracing::warn!(%error, "a connection could not be accepted");
                    sleep(PAUSE).await;
                }
                Err(error)
            }
        }
    }
}

/// A connection with a deadline, until it becomes a WebSocket, which keeps its own time.
pub struct GuardedStream {
    inner: TcpStream,
    _permit: OwnedSemaphorePermit,
    bounds: Bounds,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether bytes have come since the last answer.
    asking: bool,
}

impl GuardedStream {
    fn new(inner: TcpStream, permit: OwnedSemaphorePermit, bounds: Bounds) -> Self {
        let deadline = Some(Box::pin(sleep(bounds.request)));
        Self { inner, _permit: permit, bounds, deadline, asking: true }
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match &mut self.deadline {
            Some(deadline) => {
                ready!(deadline.as_mut().poll(cx));
                Poll::Ready(io::ErrorKind::TimedOut.into())
            }
            None => Poll::Pending,
        }
    }

    fn rearm(&mut self, time: Duration) {
        if let Some(deadline) = &mut self.deadline {
            deadline.as_mut().reset(Instant::now() + time);
        }
    }

    /// Notes that an answer, or a part of one, was taken by the client.
    fn written(&mut self, bytes: &[u8]) {
        if self.deadline.is_some() {
            if self.asking && bytes.starts_with(b"HTTP/1.1 101 ") {
                self.deadline = None;
            }
            self.asking = false;
            self.rearm(self.bounds.keep_alive);
        }
    }
}

impl AsyncRead for GuardedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        if let Poll::Ready(result) = Pin::new(&mut self.inner).poll_read(cx, buffer) {
            if !self.asking && buffer.filled().len() > before {
                self.asking = true;
                let time = self.bounds.request;
                self.rearm(time);
            }
            return Poll::Ready(result);
        }
        self.poll_deadline(cx).map(Err)
    }
}

impl AsyncWrite for GuardedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write(cx, bytes) {
            Poll::Ready(result) => {
                if result.is_ok() {
                    self.written(bytes);
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_deadline(cx).map(Err),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match Pin::new(&mut self.inner).poll_write_vectored(cx, slices) {
            Poll::Ready(result) => {
                if result.is_ok() {
                    self.written(slices.first().map_or(&[], |slice| slice));
                }
                Poll::Ready(result)
            }
            Poll::Pending => self.poll_deadline(cx).map(Err),
        }
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
