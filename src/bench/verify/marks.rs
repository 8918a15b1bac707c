//! Compares the read marks that devices were told of with those that the server keeps.

use serde::Serialize;

use super::findings::{Count, Example};

/// What is wrong with read marks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Marks {
    /// A device was told of a mark, and the server keeps an earlier one.
    pub gone_back: Count,
    /// A device was not told of the mark that the server keeps, though it asked at the end.
    pub missed: Count,
}

impl Marks {
    /// Compares the marks of one conversation's users with what each device was told (`told`),
    /// and with what the server tells each user (`kept`).
    pub fn compare(conversation: &str, told: &[[u64; 2]], kept: [[u64; 2]; 2]) -> Self {
        let mut marks = Self::default();
        let example = |told: u64, kept: u64, what: &str| Example {
            conversation: conversation.to_owned(),
            id: None,
            seq: vec![told, kept],
            what: what.to_owned(),
        };
        let [ann, bob] = kept;
        for (ann, bob) in ann.into_iter().zip(bob).filter(|(ann, bob)| ann != bob) {
            marks.missed.add(|| example(ann, bob, "the two users are told different read marks"));
        }
        for (told, kept) in told.iter().flat_map(|told| told.iter().zip(ann)) {
            if *told > kept {
                marks.gone_back.add(|| example(*told, kept, "a read mark went back"));
            } else if *told < kept {
                marks.missed.add(|| example(*told, kept, "a device was told an old read mark"));
            }
        }
        marks
    }

    /// Adds those of another conversation.
    pub fn add(&mut self, other: Self) {
        self.gone_back.append(other.gone_back);
        self.missed.append(other.missed);
    }

    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.gone_back.count == 0 && self.missed.count == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_neither_go_back_nor_are_missed() {
        let counts = |told: &[[u64; 2]], kept| {
            let marks = Marks::compare("a_b", told, kept);
            (marks.gone_back.count, marks.missed.count)
        };
        assert_eq!(counts(&[[5, 7], [5, 7]], [[5, 7], [5, 7]]), (0, 0));
        assert_eq!(counts(&[[6, 7], [5, 7]], [[5, 7], [5, 7]]), (1, 0));
        assert_eq!(counts(&[[5, 7], [5, 0]], [[5, 7], [5, 7]]), (0, 1));
        assert_eq!(counts(&[], [[5, 7], [5, 8]]), (0, 1));
    }
}
