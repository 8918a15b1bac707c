//! Spans on their way to a collector: bounded, and made only where they are wanted.

use std::{
    borrow::Cow,
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use metrics::{Counter, counter};
use tokio::sync::mpsc;

use super::Trace;

/// Set once, where spans are exported.
static EXPORT: OnceLock<Export> = OnceLock::new();

struct Export {
    /// Traces below it are exported, on every node the same.
    below: u64,
    queue: mpsc::Sender<(Trace, SystemTime, Span)>,
    dropped: Counter,
}

/// Something that was done in the course of a trace, at the moment when it is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Its own id, not 0.
    pub id: u64,
    /// The span that caused it.
    pub parent: Option<u64>,
    /// What was done, of few kinds.
    pub name: Cow<'static, str>,
    /// Its place among others.
    pub kind: Kind,
    /// How long it took, up to now.
    pub took: Duration,
    /// Whether that was a failure of the daemon.
    pub failed: bool,
    /// What else is of interest.
    pub attributes: Vec<(&'static str, Value)>,
}

/// The kinds of spans, numbered as in OTLP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A part of something else that was done here.
    Internal = 1,
    /// Answers a client.
    Server = 2,
    /// Hands on what was sent before.
    Consumer = 5,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(u64),
}

impl From<&'static str> for Value {
    fn from(text: &'static str) -> Self {
        Self::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text.into())
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(number)
    }
}

/// From here on, one trace in `one_in` is exported: its spans, each with the moment it ended, wait
/// for the caller, at most `queue` of them. `None` when that was begun before in this process.
pub fn start_export(
    one_in: u32,
    queue: usize,
) -> Option<mpsc::Receiver<(Trace, SystemTime, Span)>> {
    let (sender, receiver) = mpsc::channel(queue);
    let dropped = counter!("confab_spans_total", "result" => "dropped");
    let export = Export { below: bound(one_in), queue: sender, dropped };
    EXPORT.set(export).ok().map(|()| receiver)
}

/// Exports a span of this trace, if that is wanted; else `span` is not called. Never waits.
pub fn export(trace: Trace, span: impl FnOnce() -> Span) {
    let Some(export) = EXPORT.get() else { return };
    if trace.is_none() || !is_chosen(trace, export.below) {
        return;
    }
    // Nothing is made for a queue that is full.
    match export.queue.try_reserve() {
        Ok(place) => place.send((trace, SystemTime::now(), span())),
        Err(_) => export.dropped.increment(1),
    }
}

fn bound(one_in: u32) -> u64 {
    (u64::MAX >> 1) / u64::from(one_in.max(1))
}

/// By the part of the id that every tracer makes at random; its lowest bit is not.
fn is_chosen(trace: Trace, below: u64) -> bool {
    trace.root() >> 1 <= below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_one_in_so_many_is_chosen() {
        let chosen = |one_in| {
            let below = bound(one_in);
            (0..100_000).filter(|_| is_chosen(Trace::new(), below)).count()
        };
        assert_eq!(chosen(1), 100_000);
        assert!((8_000..12_000).contains(&chosen(10)), "{}", chosen(10));
        assert!(chosen(1_000_000) < 10);
    }
}
