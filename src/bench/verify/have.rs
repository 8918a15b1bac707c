//! Up to where a device has everything of a conversation, and whether something is missing.

use std::collections::BTreeSet;

/// What one device has of one conversation.
///
/// Invariant: everything up to `upto` is there, `upto + 1` is not, and `beyond` holds what is
/// there behind that hole.
#[derive(Clone, Debug, Default)]
pub struct Have {
    upto: u64,
    beyond: BTreeSet<u64>,
}

impl Have {
    /// A message came.
    pub fn note(&mut self, seq: u64) {
        if seq <= self.upto {
            return;
        }
        self.beyond.insert(seq);
        while self.beyond.first() == Some(&(self.upto + 1)) {
            self.beyond.pop_first();
            self.upto += 1;
        }
    }

    /// The last of those that are there without a hole: what `sync` names.
    pub fn upto(&self) -> u64 {
        self.upto
    }

    /// Whether the message at this place is there.
    pub fn has(&self, seq: u64) -> bool {
        seq <= self.upto || self.beyond.contains(&seq)
    }

    /// Whether a message is missing before one that is there.
    pub fn has_hole(&self) -> bool {
        !self.beyond.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hole_is_seen_and_closed() {
        let mut have = Have::default();
        for seq in [1, 2, 5, 4] {
            have.note(seq);
        }
        assert_eq!((have.upto(), have.has_hole()), (2, true));
        assert_eq!([2, 3, 4, 5, 6].map(|seq| have.has(seq)), [true, false, true, true, false]);
        have.note(3);
        assert_eq!((have.upto(), have.has_hole()), (5, false));
        have.note(1);
        assert_eq!(have.upto(), 5);
        have.note(u64::MAX);
        assert_eq!((have.upto(), have.has(u64::MAX)), (5, true));
    }
}
