//! A plugin's future behind a panic guard, which holds while it is dropped as well.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
};

/// What a plugin's futures are.
type Boxed<'f, T> = Pin<Box<dyn Future<Output = T> + Send + 'f>>;

/// A future of a plugin, as it was made.
///
/// Invariant: no panic of it gets out, neither when it is polled nor when whoever waits for it
/// gives it up.
pub struct Contained<'f, T>(Option<Boxed<'f, T>>);

impl<'f, T> Contained<'f, T> {
    pub fn new(future: Boxed<'f, T>) -> Self {
        Self(Some(future))
    }
}

impl<T> Future for Contained<'_, T> {
    /// Its panic, if it did.
    type Output = Result<T, Box<dyn Any + Send>>;

    fn poll(mut self: Pin<&mut Self>, task: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(future) = &mut self.0 else { return Poll::Pending };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(task))) {
            Ok(polled) => polled.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    }
}

impl<T> Drop for Contained<'_, T> {
    fn drop(&mut self) {
        contain_drop(self.0.take());
    }
}

/// Drops what came from a plugin. The panic hook tells of a panic.
pub fn contain_drop<T>(what: T) {
    let _ = catch_unwind(AssertUnwindSafe(|| drop(what)));
}
