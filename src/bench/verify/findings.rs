//! What a comparison found: how often each promise was broken, and the first examples.

use serde::Serialize;

/// As many examples of each kind are kept.
pub const EXAMPLES: usize = 10;

/// A broken promise, told so that it can be looked into.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Example {
    /// The conversation.
    pub conversation: String,
    /// The client id of the message; none where a place has no message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The places it was seen at, or where it should have been.
    pub seq: Vec<u64>,
    /// What is wrong, and who saw it.
    pub what: String,
}

/// How often one promise was broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// How often.
    pub count: u64,
    /// The first [`EXAMPLES`].
    pub examples: Vec<Example>,
}

impl Count {
    /// Counts one.
    pub fn add(&mut self, example: impl FnOnce() -> Example) {
        self.add_many(1, example);
    }

    /// Counts `count` of one kind, with one example.
    pub fn add_many(&mut self, count: u64, example: impl FnOnce() -> Example) {
        if count > 0 && self.examples.len() < EXAMPLES {
            self.examples.push(example());
        }
        self.count = self.count.saturating_add(count);
    }

    /// Adds what was found elsewhere.
    pub fn append(&mut self, other: Self) {
        self.count = self.count.saturating_add(other.count);
        let room = EXAMPLES.saturating_sub(self.examples.len());
        self.examples.extend(other.examples.into_iter().take(room));
    }
}

/// How often each promise was broken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// Acknowledged or delivered, and not in the history, or there with another text: one each
    /// message.
    pub lost: Count,
    /// One id at two places in the history, in the echoes or in one view: one each message and
    /// source. Or delivered twice on one session: one each time.
    pub doubled: Count,
    /// A delivery not after the one before it on its session, an echo not after all before it; an
    /// echo or a view that tells
    /// another place than the history; a place without a message in the history.
    pub out_of_order: Count,
    /// In the history, and not in a view: one each message and view.
    pub missed: Count,
    /// Deliveries after the echo of a message with a later place, on one session, where several
    /// nodes may do so: no broken promise. On one node they are out of order.
    pub overtaken: u64,
}

impl Findings {
    /// Adds what was found in another conversation.
    pub fn add(&mut self, other: Self) {
        self.lost.append(other.lost);
        self.doubled.append(other.doubled);
        self.out_of_order.append(other.out_of_order);
        self.missed.append(other.missed);
        self.overtaken += other.overtaken;
    }

    /// Whether every promise was kept.
    pub fn is_clean(&self) -> bool {
        self.counts().iter().all(|(_, count)| count.count == 0)
    }

    /// Each kind with its name.
    pub fn counts(&self) -> [(&'static str, &Count); 4] {
        [
            ("lost", &self.lost),
            ("doubled", &self.doubled),
            ("out of order", &self.out_of_order),
            ("missed", &self.missed),
        ]
    }
}
