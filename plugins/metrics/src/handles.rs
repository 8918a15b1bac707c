//! The metrics, registered once and kept by number, so that an event costs a few atomic
//! additions and no look-up by name.

use std::sync::{PoisonError, RwLock};

use confab_plugin::{Decision, EventKind, Outcome};
use metrics::{Counter, Histogram, Unit, counter, describe_counter, describe_histogram, histogram};

use crate::Options;

const EVENTS: &str = "confab_events_total";
const DURATION: &str = "confab_event_duration_seconds";
const CONTENT: &str = "confab_message_content_bytes";
const REFUSED: &str = "confab_events_refused_total";

/// The most series of refusals; further ones are counted together as `other`. A plugin that makes
/// up codes can't fill the memory of whoever scrapes.
pub const MAX_REFUSALS: usize = 256;

const KINDS: usize = EventKind::ALL.len();
const OUTCOMES: usize = Decision::WORDS.len();

/// All metrics of one entry.
#[derive(Debug)]
pub struct Handles {
    /// By kind and outcome, in the order of [`EventKind::ALL`] and [`Decision::WORDS`].
    events: [[Counter; OUTCOMES]; KINDS],
    durations: Option<[[Histogram; OUTCOMES]; KINDS]>,
    content: Option<Histogram>,
    refusals: RwLock<Vec<Refusal>>,
}

/// The counter of one sort of refusal.
#[derive(Debug)]
struct Refusal {
    kind: EventKind,
    by: Box<str>,
    code: Box<str>,
    counter: Counter,
}

impl Handles {
    /// Describes and registers the metrics that `options` ask for. The counters of events begin
    /// at 0, so that a first failure is seen as a change.
    pub fn register(options: &Options) -> Self {
        describe_counter!(EVENTS, Unit::Count, "Events, by kind and outcome.");
        let events = by_kind_and_outcome(|kind, outcome| {
            let events = counter!(EVENTS, "kind" => kind, "outcome" => outcome);
            events.increment(0);
            events
        });
        let durations = options.durations.then(|| {
            describe_histogram!(
                DURATION,
                Unit::Seconds,
                "From an event's arrival to its decision; for a message, until it was stored."
            );
            by_kind_and_outcome(
                |kind, outcome| histogram!(DURATION, "kind" => kind, "outcome" => outcome),
            )
        });
        let content = options.content_size.then(|| {
            describe_histogram!(CONTENT, Unit::Bytes, "Content of accepted messages.");
            histogram!(CONTENT)
        });
        if options.refusals {
            describe_counter!(
                REFUSED,
                Unit::Count,
                "Events that did not take effect, by kind, refusing entry (none: the daemon itself) \
                 and code."
            );
        }
        Self { events, durations, content, refusals: RwLock::new(Vec::new()) }
    }

    /// Counts and times an event of `kind`.
    pub fn count(&self, kind: EventKind, outcome: &Outcome) {
        let word = outcome.decision.as_str();
        let Some(place) = Decision::WORDS.iter().position(|w| *w == word) else {
            return;
        };
        if let Some(counter) = self.events.get(kind as usize).and_then(|k| k.get(place)) {
            counter.increment(1);
        }
        let durations = self.durations.as_ref();
        if let Some(histogram) = durations.and_then(|d| d.get(kind as usize)?.get(place)) {
            histogram.record(outcome.elapsed);
        }
    }

    /// Measures a message's content of this many bytes.
    pub fn content(&self, bytes: usize) {
        if let Some(histogram) = &self.content {
            histogram.record(f64::from(u32::try_from(bytes).unwrap_or(u32::MAX)));
        }
    }

    /// Counts an event of `kind` that the entry `by`, or the daemon itself if that is empty,
    /// refused with `code`.
    pub fn refused(&self, kind: EventKind, by: &str, code: &str) {
        let known = |refusals: &[Refusal]| {
            let same = |r: &&Refusal| r.kind == kind && &*r.by == by && &*r.code == code;
            let found = refusals.iter().find(same);
            found.inspect(|r| r.counter.increment(1)).is_some()
        };
        // A poisoned list is as good as any: it is only ever appended to.
        if known(&self.refusals.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        let mut refusals = self.refusals.write().unwrap_or_else(PoisonError::into_inner);
        if known(&refusals) {
            return;
        }
        if refusals.len() >= MAX_REFUSALS {
            register_refusal(kind, "other", "other").increment(1);
            return;
        }
        let counter = register_refusal(kind, by, code);
        counter.increment(1);
        refusals.push(Refusal { kind, by: by.into(), code: code.into(), counter });
    }
}

fn register_refusal(kind: EventKind, by: &str, code: &str) -> Counter {
    let (by, code) = (by.to_owned(), code.to_owned());
    counter!(REFUSED, "kind" => kind.as_str(), "by" => by, "code" => code)
}

fn by_kind_and_outcome<T>(
    register: impl Fn(&'static str, &'static str) -> T,
) -> [[T; OUTCOMES]; KINDS] {
    EventKind::ALL.map(|kind| Decision::WORDS.map(|outcome| register(kind.as_str(), outcome)))
}
