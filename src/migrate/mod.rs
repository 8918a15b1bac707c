//! Moves all that one store keeps to another, and proves that it has arrived.
//!
//! There is no state beside the two stores: how far a conversation has come is its newest
//! message in the target. So a move that was interrupted, however, is gone on with by starting
//! it again.

mod compare;
mod copy;
mod digest;
mod logins;
mod progress;
mod walk;

pub use compare::{Comparison, Content, compare};
pub use copy::{Copied, copy};
pub use digest::Digest;
pub use progress::{Phase, Progress};

/// The most differences that are told one by one.
const TOLD: usize = 100;

/// Accounts that are read and written at once.
const ACCOUNTS: usize = 500;

/// Conversations whose names are read at once.
const CONVERSATIONS: usize = 1000;

/// What was found to be different, or in the way. Bounded: what comes after the first hundred is
/// only counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Differences {
    /// The first of them: where, and what.
    pub told: Vec<String>,
    /// All of them.
    pub count: u64,
}

impl Differences {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn add(&mut self, difference: String) {
        self.count += 1;
        if self.told.len() < TOLD {
            self.told.push(difference);
        }
    }
}
