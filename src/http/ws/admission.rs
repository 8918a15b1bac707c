//! The frame of a session that is on its way through the chain.

use std::{
    convert::Infallible,
    future::Future,
    task::{Context, Poll},
};

use futures_util::FutureExt;
use tokio_util::sync::ReusableBoxFuture;

use crate::dispatch::Received;

/// At most one frame, which goes on whenever this is polled. Frames of one session go one by one,
/// so that they keep their order; what waits for the store does not hold up the next.
#[derive(Default)]
pub struct Admission {
    /// Kept from one frame to the next, with the room that it takes.
    future: Option<ReusableBoxFuture<'static, Received>>,
    /// Whether that is a frame that is not through yet.
    running: bool,
    /// What became of a frame that nobody was told of yet.
    received: Option<Received>,
}

impl Admission {
    /// Whether there is a frame, or what became of one.
    pub fn is_busy(&self) -> bool {
        self.running || self.received.is_some()
    }

    /// Takes up a frame, where there is none.
    pub fn begin(&mut self, admit: impl Future<Output = Received> + Send + 'static) {
        match &mut self.future {
            Some(place) => place.set(admit),
            place @ None => *place = Some(ReusableBoxFuture::new(admit)),
        }
        self.running = true;
    }

    /// What became of the frame, once it is through; pending where there is none.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        let _ = self.poll_ahead(cx);
        self.received.take().map_or(Poll::Pending, Poll::Ready)
    }

    /// Goes on with the frame, and tells what became of it later. Never ready.
    pub fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Infallible> {
        if let Some(future) = self.future.as_mut().filter(|_| self.running)
            && let Poll::Ready(received) = future.poll_unpin(cx)
        {
            (self.running, self.received) = (false, Some(received));
        }
        Poll::Pending
    }

    /// Gives back the room of a frame, where there is none.
    pub fn give_back(&mut self) {
        if !self.running {
            self.future = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::{future::poll_fn, poll};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_frame_goes_on_while_something_else_is_awaited() {
        let mut admission = Admission::default();
        assert!(!admission.is_busy());
        for _ in 0..2 {
            admission.begin(async {
                tokio::time::sleep(Duration::from_secs(1)).await;
                Received::Understood
            });
            let ahead = tokio::time::timeout(
                Duration::from_secs(2),
                poll_fn(|cx| admission.poll_ahead(cx)),
            );
            assert!(ahead.await.is_err(), "it is never ready");
            assert!(!admission.running && admission.is_busy());
            admission.give_back();
            let told = poll_fn(|cx| admission.poll(cx));
            assert!(matches!(poll!(told), Poll::Ready(Received::Understood)));
            assert!(!admission.is_busy());
        }
    }
}
