//! What is counted while messages are sent.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
};

use super::super::latency::Latencies;

/// What one thread has counted. Only that thread touches it.
#[derive(Debug, Default)]
pub struct Tally {
    /// From when a message was due until its echo, of the measured ones.
    pub echo: Latencies,
    /// From when a message was due until the recipient had it, of the measured ones.
    pub delivery: Latencies,
    /// How late the generator itself wrote messages, against its schedule.
    pub lag: Latencies,
    /// Echoes within the measured time.
    pub acknowledged_measured: u64,
    /// Deliveries within the measured time.
    pub delivered_measured: u64,
    /// Messages that were written late because the server did not read.
    pub held_back: u64,
    /// Refused messages, by code.
    pub refused: BTreeMap<String, u64>,
    /// Sessions that the server ended, by reason.
    pub ended: BTreeMap<String, u64>,
    /// Frames that are not the protocol's.
    pub not_understood: u64,
    /// Messages without an answer when all was over.
    pub unanswered: u64,
}

impl Tally {
    /// Adds what another thread has counted.
    pub fn add(&mut self, other: Self) {
        self.echo.add(&other.echo);
        self.delivery.add(&other.delivery);
        self.lag.add(&other.lag);
        self.acknowledged_measured += other.acknowledged_measured;
        self.delivered_measured += other.delivered_measured;
        self.held_back += other.held_back;
        self.not_understood += other.not_understood;
        self.unanswered += other.unanswered;
        add_counts(&mut self.refused, other.refused);
        add_counts(&mut self.ended, other.ended);
    }
}

/// Counts one more of a kind.
pub fn count(counts: &mut BTreeMap<String, u64>, kind: &str) {
    match counts.get_mut(kind) {
        Some(number) => *number += 1,
        None => {
            counts.insert(kind.to_owned(), 1);
        }
    }
}

/// Adds the counts of others.
pub fn add_counts(counts: &mut BTreeMap<String, u64>, others: BTreeMap<String, u64>) {
    for (kind, number) in others {
        *counts.entry(kind).or_default() += number;
    }
}

/// What one thread lets others see while it works. Only that thread writes, so that a count is a
/// load and a store, without a lock.
#[derive(Debug, Default)]
#[repr(align(64))]
pub struct Live {
    /// Messages written.
    pub sent: Count,
    /// Messages that were acknowledged.
    pub acknowledged: Count,
    /// Messages that were refused.
    pub refused: Count,
    /// Messages without an answer whose session ended.
    pub given_up: Count,
    /// Messages that recipients have received.
    pub delivered: Count,
    /// Sessions that have sent all they had to, in an open loop, or have ended.
    pub finished: Count,
    /// Sessions that ended.
    pub ended: Count,
    /// Whether the thread is to stop.
    pub over: AtomicBool,
}

/// A number with one writer and many readers.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Adds one. Only the writer may.
    pub fn increment(&self) {
        self.0.store(self.0.load(Relaxed) + 1, Relaxed);
    }

    /// Its value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}
