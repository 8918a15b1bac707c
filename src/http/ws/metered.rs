//! Counts what a client sends before it finishes a message: fragments without a payload would
//! otherwise go on for ever, and count for no rate.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A stream that gives up when one message takes too many bytes.
pub struct Metered<S> {
    inner: S,
    unfinished: usize,
    most: usize,
}

impl<S> Metered<S> {
    /// At most `most` bytes for each message.
    pub fn new(inner: S, most: usize) -> Self {
        Self { inner, unfinished: 0, most }
    }

    /// A message was complete.
    pub fn finished(&mut self) {
        self.unfinished = 0;
    }

    /// Whether a message took too many.
    pub fn is_exceeded(&self) -> bool {
        self.unfinished > self.most
    }

    /// The stream without a bound.
    pub fn unmetered(&mut self) -> &mut S {
        &mut self.inner
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Metered<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        self.unfinished = self.unfinished.saturating_add(buffer.filled().len() - before);
        let result = match self.is_exceeded() {
            true => Err(io::ErrorKind::InvalidData.into()),
            false => Ok(()),
        };
        Poll::Ready(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Metered<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
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
