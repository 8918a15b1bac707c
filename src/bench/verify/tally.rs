//! What a device counts while it runs: traffic, cuts, refusals, the longest waits.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// The counts of one device, or of many together.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Messages sent, each once.
    pub sent: u64,
    /// Messages acknowledged, each once.
    pub acknowledged: u64,
    /// How often a message was sent again.
    pub resent: u64,
    /// Echoes that showed what was stored by an earlier attempt.
    pub answered_as_duplicate: u64,
    /// Messages refused for good: by a plugin, or as invalid. They are not expected anywhere.
    pub refused: u64,
    /// Messages received, by delivery or `sync`, over all devices.
    pub received: u64,
    /// Answers to `sync`.
    pub sync_pages: u64,
    /// Holes seen in what was delivered, and closed by `sync`.
    pub holes: u64,
    /// Sessions opened after a cut.
    pub reconnects: u64,
    /// Ended sessions, by reason.
    pub cuts: BTreeMap<String, u64>,
    /// Failed attempts to connect or to log in, by reason.
    pub failed_connects: BTreeMap<String, u64>,
    /// Refused frames, by code.
    pub errors: BTreeMap<String, u64>,
    /// From the last frame before a cut until the device was connected and had everything again.
    #[serde(rename = "longest_gap_seconds", serialize_with = "seconds")]
    pub longest_gap: Duration,
    /// From sending a message for the first time to its acknowledgement.
    #[serde(rename = "longest_acknowledgement_seconds", serialize_with = "seconds")]
    pub longest_acknowledgement: Duration,
}

fn seconds<S: serde::Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(time.as_secs_f64())
}

impl Tally {
    /// Adds another device's counts.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.resent += other.resent;
        self.answered_as_duplicate += other.answered_as_duplicate;
        self.refused += other.refused;
        self.received += other.received;
        self.sync_pages += other.sync_pages;
        self.holes += other.holes;
        self.reconnects += other.reconnects;
        let kinds = [
            (&mut self.cuts, &other.cuts),
            (&mut self.failed_connects, &other.failed_connects),
            (&mut self.errors, &other.errors),
        ];
        for (all, more) in kinds {
            for (kind, count) in more {
                *all.entry(kind.clone()).or_default() += count;
            }
        }
        self.longest_gap = self.longest_gap.max(other.longest_gap);
        self.longest_acknowledgement =
            self.longest_acknowledgement.max(other.longest_acknowledgement);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::load::count;

    #[test]
    fn tallies_add_up() {
        let mut all = Tally { sent: 1, longest_gap: Duration::from_secs(2), ..Tally::default() };
        let mut other = Tally { sent: 2, longest_gap: Duration::from_secs(1), ..Tally::default() };
        count(&mut other.cuts, "reset");
        count(&mut other.cuts, "reset");
        all.add(&other);
        all.add(&other);
        assert_eq!((all.sent, all.cuts["reset"], all.longest_gap.as_secs()), (5, 4, 2));
    }
}
