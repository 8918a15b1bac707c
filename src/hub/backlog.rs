//! What waits in the outboxes of all sessions of this node, counted.

use std::sync::atomic::{AtomicUsize, Ordering};

use metrics::{Counter, counter};

use crate::config;

/// A slow session holds at most this part of what is free.
const SLOW_PART: usize = 4;

/// Another may hold as much as is free: so a few that stop reading at once leave room for
/// others also before it shows that they are slow.
const QUICK_PART: usize = 1;

/// The bytes that wait in all outboxes together. A frame that waits for several sessions counts
/// for each, as if it were not shared.
///
/// Invariant: no outbox with a frame in it takes another that would make it larger than its
/// [`allowance`](Self::allowance). So slow sessions leave room, however many they are, the largest
/// are given up first, and whoever reads is not in their way.
pub struct Backlog {
    bytes: AtomicUsize,
    most: usize,
    replaced: Counter,
}

impl Backlog {
    /// Nothing waits; at most `limits.outboxes` will.
    pub fn new(limits: &config::Limits) -> Self {
        Self {
            bytes: AtomicUsize::new(0),
            most: limits.outboxes.as_usize(),
            replaced: counter!("confab_ephemeral_replaced_total"),
        }
    }

    /// How many bytes wait.
    pub fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many bytes one session may hold now.
    pub fn allowance(&self, slow: bool) -> usize {
        let free = self.most.saturating_sub(self.bytes());
        free / if slow { SLOW_PART } else { QUICK_PART }
    }

    /// Counts a typing frame that gave way to a newer one.
    pub fn replaced(&self) {
        self.replaced.increment(1);
    }

    /// Notes that an outbox, which held `before`, holds `after`.
    pub fn change(&self, before: usize, after: usize) {
        if after > before {
            self.bytes.fetch_add(after - before, Ordering::Relaxed);
        } else if after < before {
            self.bytes.fetch_sub(before - after, Ordering::Relaxed);
        }
    }
}
