//! Accepts connections, so many at a time, and gives each a deadline for its request.
//!
//! A server that only bounds idle time can be held open by one header each second. HTTP/2 is
//! refused: the server would take any number of streams on one connection, and the bounds here
//! hold for one request at a time.

use std::{
    future::Future,
    io,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use metrics::counter;
use poem::{
    http::uri::Scheme,
    listener::{Acceptor, TcpAcceptor},
    web::{LocalAddr, RemoteAddr},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, Sleep, sleep},
};

use super::{
    access::Access,
    addresses::{Addresses, Place},
    client,
    meters::Open,
    transport::Transport,
};
use crate::{rate::Seldom, turns::Pulse};

/// How long to wait after accepting failed, as it does when file descriptors run out: the
/// server's loop would otherwise spin.
const PAUSE: Duration = Duration::from_millis(100);

/// How often the log says so.
const TELL: Duration = Duration::from_secs(10);

/// The request line and the headers of one request, in bytes. The server's own bound is 400 KiB,
/// which it would keep for everybody who never ends them.
const HEAD: usize = 64 * 1024;

/// What a connection begins with that will speak HTTP/2 (RFC 9113 section 3.4).
const HTTP2: &[u8] = b"PRI * HTTP/2.0";

/// The bounds of a listener.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Open connections; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// Of these, from one customer's address; further ones are closed at once.
    pub per_address: usize,
    /// From the first byte that is awaited until the answer begins.
    pub request: Duration,
    /// TLS handshakes that are computed at a time.
    pub handshakes: usize,
    /// Without a request, or without taking the answer.
    pub keep_alive: Duration,
    /// The body of one request, in bytes.
    pub body: usize,
}

/// Accepts within bounds.
pub struct Guarded {
    inner: TcpAcceptor,
    permits: Arc<Semaphore>,
    addresses: Arc<Addresses>,
    handshakes: Arc<Semaphore>,
    bounds: Bounds,
    access: Option<Arc<Access>>,
    trouble: Seldom,
    pulse: Arc<Pulse>,
}

impl Guarded {
    /// Accepts from `listener` within `bounds`, and answers `pulse` meanwhile. With
    /// `access`, the proxies that it trusts have as many connections as they want, for they stand
    /// for many clients, and connections speak TLS if it says so.
    ///
    /// # Errors
    /// The system's own.
    pub fn new(
        listener: std::net::TcpListener,
        bounds: Bounds,
        access: Option<Arc<Access>>,
        pulse: Arc<Pulse>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            inner: TcpAcceptor::from_std(listener)?,
            permits: Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS))),
            addresses: Arc::default(),
            handshakes: Arc::new(Semaphore::new(bounds.handshakes)),
            bounds,
            access,
            trouble: Seldom::new(TELL),
            pulse,
        })
    }

    /// A place among the connections from `peer`; `None` for a proxy, which needs none.
    fn place(&self, peer: IpAddr) -> io::Result<Option<Place>> {
        if self.access.as_ref().is_some_and(|access| access.proxies.trusts(peer)) {
            return Ok(None);
        }
        let place = self.addresses.enter(peer, self.bounds.per_address);
        if place.is_none() {
            counter!("confab_connections_refused_total").increment(1);
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        Ok(place)
    }

    async fn next(&mut self) -> io::Result<(GuardedStream, LocalAddr, RemoteAddr, Scheme)> {
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
                let place = self.place(client::peer(&remote))?;
                let tls = self.access.as_ref().and_then(|access| access.tls());
                let stream = Transport::new(stream, tls, &self.handshakes);
                let stream = GuardedStream::new(stream, (permit, place), self.bounds);
                Ok((stream, local, remote, scheme))
            }
            Err(error) => {
                if error.kind() != io::ErrorKind::NotConnected {
                    counter!("confab_connections_failed_total").increment(1);
                    if let Some(untold) = self.trouble.due(std::time::Instant::now()) {
                        tracing::warn!(%error, untold, "a connection could not be accepted");
                    }
                    sleep(PAUSE).await;
                }
                Err(error)
            }
        }
    }
}

impl Acceptor for Guarded {
    type Io = GuardedStream;

    fn local_addr(&self) -> Vec<LocalAddr> {
        self.inner.local_addr()
    }

    async fn accept(&mut self) -> io::Result<(GuardedStream, LocalAddr, RemoteAddr, Scheme)> {
        let pulse = Arc::clone(&self.pulse);
        tokio::select! {
            biased;
            never = pulse.answer() => match never {},
            accepted = self.next() => accepted,
        }
    }
}

/// The right to be open: one of all, and one of an address.
type Permit = (OwnedSemaphorePermit, Option<Place>);

/// A connection with a deadline, until it becomes a WebSocket, which keeps its own time.
pub struct GuardedStream {
    inner: Transport,
    _permit: Permit,
    _open: Open,
    bounds: Bounds,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Whether bytes have come since the last answer.
    asking: bool,
    /// How many.
    asked: usize,
    /// How much of [`HTTP2`] the connection began with, while that may go on.
    http2: Option<usize>,
}

impl GuardedStream {
    fn new(inner: Transport, permit: Permit, bounds: Bounds) -> Self {
        let deadline = Some(Box::pin(sleep(bounds.request)));
        Self {
            inner,
            _permit: permit,
            _open: Open::count(),
            bounds,
            deadline,
            asking: true,
            asked: 0,
            http2: Some(0),
        }
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
            if bytes.starts_with(b"HTTP/1.1 101 ") {
                self.deadline = None;
            }
            self.asking = false;
            self.asked = 0;
            self.rearm(self.bounds.keep_alive);
        }
    }

    /// Notes what the client sent before it became a WebSocket.
    ///
    /// # Errors
    /// When it is more than a request may have, or HTTP/2.
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.deadline.is_none() || bytes.is_empty() {
            return Ok(());
        }
        if !self.asking {
            self.asking = true;
            self.rearm(self.bounds.request);
        }
        self.asked = self.asked.saturating_add(bytes.len());
        if self.asked > self.bounds.body.saturating_add(HEAD) || self.is_http2(bytes) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(())
    }

    fn is_http2(&mut self, bytes: &[u8]) -> bool {
        let Some(rest) = self.http2.and_then(|begun| HTTP2.get(begun..)) else { return false };
        let length = rest.len().min(bytes.len());
        let goes_on = rest.get(..length) == bytes.get(..length);
        self.http2 = self.http2.filter(|_| goes_on).map(|begun| begun + length);
        goes_on && length == rest.len()
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
            let bytes = buffer.filled().get(before..).unwrap_or_default();
            return Poll::Ready(result.and_then(|()| self.read(bytes)));
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
        match Pin::new(&mut self.inner).poll_flush(cx) {
            Poll::Pending => self.poll_deadline(cx).map(Err),
            flushed => flushed,
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match Pin::new(&mut self.inner).poll_shutdown(cx) {
            Poll::Pending => self.poll_deadline(cx).map(Err),
            shut => shut,
        }
    }
}
