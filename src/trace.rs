//! What ties together the log lines, and the spans, of one event on every node that it reaches.

mod span;

use std::{cell::Cell, fmt};

pub use span::{Kind, Span, Value, export, start_export};

tokio::task_local! {
    static REQUEST: (Trace, u64);
}

thread_local! {
    /// The state of a generator; 0 until it is first used.
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// A trace id of the W3C Trace Context: 16 bytes, all zero for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Trace(u128);

/// Where a trace came from: a header of W3C Trace Context, level 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace.
    pub trace: Trace,
    /// The caller's span.
    pub span: u64,
}

impl Trace {
    /// No trace.
    pub const NONE: Self = Self(0);

    /// A new one: random, and no secret. Takes a few nanoseconds.
    pub fn new() -> Self {
        Self(u128::from(random()) << 64 | u128::from(random() | 1))
    }

    /// That of the request in whose course this is called, else a new one.
    pub fn current() -> Self {
        REQUEST.try_with(|(trace, _)| *trace).unwrap_or_else(|_| Self::new())
    }

    /// The span of the request in whose course this is called.
    pub fn request_span() -> Option<u64> {
        REQUEST.try_with(|(_, span)| *span).ok()
    }

    /// Has what `work` does belong to this trace, and to this span of it. Tasks that it spawns do
    /// not.
    pub async fn within<T>(self, span: u64, work: impl Future<Output = T>) -> T {
        REQUEST.scope((self, span), work).await
    }

    /// The id of a trace's first span, where the trace began here: so that every node knows it.
    pub fn root(self) -> u64 {
        self.0 as u64
    }

    /// Whether it is none.
    pub fn is_none(self) -> bool {
        self == Self::NONE
    }

    /// As it travels from node to node.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From what travelled.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// As 32 hexadecimal digits.
impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl Parent {
    /// Reads a `traceparent`; `None` if it is not one (section 3.2 of the recommendation).
    pub fn read(header: &str) -> Option<Self> {
        let hex = |text: &str, digits: usize| {
            let lower = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
            (text.len() == digits && text.bytes().all(lower))
                .then(|| u128::from_str_radix(text, 16).ok())
                .flatten()
        };
        let mut parts = header.splitn(5, '-');
        let version = hex(parts.next()?, 2)?;
        let trace = hex(parts.next()?, 32).filter(|trace| *trace != 0)?;
        let span = hex(parts.next()?, 16).filter(|span| *span != 0)?;
        hex(parts.next()?, 2)?;
        // A later version may have more parts.
        if version == 0xff || version == 0 && parts.next().is_some() {
            return None;
        }
        Some(Self { trace: Trace(trace), span: u64::try_from(span).ok()? })
    }
}

/// A random number, for ids that are no secret. SplitMix64, seeded for each thread from the system's randomness.
pub fn random() -> u64 {
    STATE.with(|state| {
        let mut next = state.get();
        if next == 0 {
            next = rand::random::<u64>() | 1;
        }
        next = next.wrapping_add(0x9e37_79b9_7f4a_7c15);
        state.set(next);
        let mixed = (next ^ (next >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_traceparent_is_read_or_ignored() {
        let good = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let parent = Parent::read(good).unwrap();
        assert_eq!(parent.trace.to_string(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(parent.span, 0x00f0_67aa_0ba9_02b7);
        assert_eq!(
            Parent::read(&good.replace("00-4b", "cc-4b").replace("-01", "-01-x")),
            Some(parent)
        );
        for bad in [
            "",
            "x",
            &good.to_uppercase(),
            &good.replace("00-4b", "ff-4b"),
            &good.replace("-01", ""),
            &good.replace("-01", "-01-x"),
            &good.replace("4bf92f3577b34da6a3ce929d0e0e4736", "00000000000000000000000000000000"),
            &good.replace("00f067aa0ba902b7", "0000000000000000"),
            &good.replace("4bf", "4b+"),
            &good.replace("4bf", "bf"),
        ] {
            assert_eq!(Parent::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn traces_differ_and_travel() {
        let made = || (0..1000).map(|_| Trace::new()).collect::<Vec<_>>();
        let threads = [std::thread::spawn(made), std::thread::spawn(made)];
        let all: HashSet<_> = threads.into_iter().flat_map(|one| one.join().unwrap()).collect();
        assert_eq!(all.len(), 2000);
        for trace in all {
            assert!(!trace.is_none());
            assert_eq!(Trace::from_bytes(trace.to_bytes()), trace);
        }
    }

    #[tokio::test]
    async fn what_a_request_does_has_its_trace() {
        let trace = Trace::new();
        let inside = async { (Trace::current(), Trace::request_span()) };
        assert_eq!(trace.within(7, inside).await, (trace, Some(7)));
        assert_ne!(Trace::current(), trace);
        assert_eq!(Trace::request_span(), None);
    }
}
