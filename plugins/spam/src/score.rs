//! The score of a message: the signals it gave, each with its weight.

use std::fmt;

use confab_plugin::Duration;

/// What makes a message look like spam.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// The same text to one person, again and again.
    Repeats,
    /// The same text to many people.
    Recipients,
    /// Many links in the message.
    Links,
    /// Many links in the sender's recent messages, and one here.
    RecentLinks,
    /// Many new conversations begun.
    NewConversations,
    /// A link to somebody whom the sender has not talked with.
    FirstLink,
    /// Nearly everything in capitals.
    Capitals,
    /// One character many times in a row.
    Run,
    /// Many mentions.
    Mentions,
}

impl Signal {
    /// Every signal.
    pub const ALL: [Signal; 9] = [
        Signal::Repeats,
        Signal::Recipients,
        Signal::Links,
        Signal::RecentLinks,
        Signal::NewConversations,
        Signal::FirstLink,
        Signal::Capitals,
        Signal::Run,
        Signal::Mentions,
    ];

    /// The name in metrics; the weight's option is named after it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Signal::Repeats => "repeats",
            Signal::Recipients => "recipients",
            Signal::Links => "links",
            Signal::RecentLinks => "recent_links",
            Signal::NewConversations => "new_conversations",
            Signal::FirstLink => "first_link",
            Signal::Capitals => "capitals",
            Signal::Run => "run",
            Signal::Mentions => "mentions",
        }
    }
}

/// One signal that a message gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason {
    /// Which.
    pub signal: Signal,
    /// How many of what the signal counts.
    pub count: u32,
    /// What it adds to the score.
    pub weight: u32,
    /// The time in which it was counted, for signals that look back.
    pub within: Duration,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { count, weight, within, .. } = self;
        match self.signal {
            Signal::Repeats => write!(f, "the same text {count} times to one person in {within}"),
            Signal::Recipients => write!(f, "the same text to {count} people in {within}"),
            Signal::Links => write!(f, "{count} links"),
            Signal::RecentLinks => write!(f, "{count} links in {within}"),
            Signal::NewConversations => write!(f, "{count} new conversations in {within}"),
            Signal::FirstLink => write!(f, "a link to somebody new"),
            Signal::Capitals => write!(f, "{count}% capitals"),
            Signal::Run => write!(f, "one character {count} times in a row"),
            Signal::Mentions => write!(f, "{count} mentions"),
        }?;
        write!(f, " (+{weight})")
    }
}

/// The signals that a message gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Score {
    /// In the order of [`Signal::ALL`].
    pub reasons: Vec<Reason>,
}

impl Score {
    /// The sum of the weights.
    pub fn total(&self) -> u32 {
        self.reasons.iter().fold(0, |sum, reason| sum.saturating_add(reason.weight))
    }

    /// The reasons as a sentence without its full stop; for a score of 0, nothing.
    pub fn why(&self) -> String {
        let reasons: Vec<_> = self.reasons.iter().map(Reason::to_string).collect();
        reasons.join(", ")
    }
}
