//! Which entries of the chain changed a message.

use std::sync::Arc;

use serde::{Serialize, Serializer};

use crate::config::is_label;

/// Between two labels in the written form; no label has it.
const SEPARATOR: char = ',';

/// The labels of the entries that changed a message, in the order of the chain. Costs nothing
/// when there are none, and is cheap to clone. Serializes as a list.
///
/// Invariant: holds at most [`MOST`](Self::MOST) labels, each 1 to 64 of `a-z 0-9 . _ -`; so no
/// record of another program makes it larger, and its written form is unambiguous.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangedBy(Option<Arc<str>>);

impl ChangedBy {
    /// The most labels that are kept: of a message that more entries changed, those of the first.
    pub const MOST: usize = 32;

    /// The longest label, in bytes.
    pub const MOST_LABEL: usize = 64;

    /// The labels among these texts, in their order; what cannot be a label is left out.
    pub fn of<'a>(labels: impl IntoIterator<Item = &'a str>) -> Self {
        let mut written = String::new();
        for label in labels.into_iter().filter(|label| is_label(label)).take(Self::MOST) {
            if !written.is_empty() {
                written.push(SEPARATOR);
            }
            written.push_str(label);
        }
        Self((!written.is_empty()).then(|| written.into()))
    }

    /// From the written form. What cannot be a label is left out.
    pub fn read(written: Option<Arc<str>>) -> Self {
        let Some(written) = written else {
            return Self(None);
        };
        let mut count = 0;
        let is_ours = written.split(SEPARATOR).all(|label| {
            count += 1;
            is_label(label)
        });
        if is_ours && count <= Self::MOST {
            Self(Some(written))
        } else {
            Self::of(written.split(SEPARATOR))
        }
    }

    /// The written form: the labels with commas between them; `None` if there are none.
    pub fn written(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether no entry changed the message.
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The labels.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().flat_map(|written| written.split(SEPARATOR))
    }
}

/// What the chain hands over.
impl From<&[Arc<str>]> for ChangedBy {
    fn from(labels: &[Arc<str>]) -> Self {
        match labels {
            [] => Self(None),
            // The usual case shares the entry's own label.
            [label] => Self::read(Some(Arc::clone(label))),
            labels => Self::of(labels.iter().map(|label| &**label)),
        }
    }
}

impl Serialize for ChangedBy {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(changed_by: &ChangedBy) -> Vec<&str> {
        changed_by.iter().collect()
    }

    #[test]
    fn labels_are_kept_in_their_order() {
        let chain: Vec<Arc<str>> = ["words", "no-links", "a.b_c-9"].map(Arc::from).into();
        let three = ChangedBy::from(&chain[..]);
        assert_eq!(labels(&three), ["words", "no-links", "a.b_c-9"]);
        assert_eq!(three.written(), Some("words,no-links,a.b_c-9"));
        assert_eq!(serde_json::to_string(&three).unwrap(), r#"["words","no-links","a.b_c-9"]"#);
        assert_eq!(ChangedBy::read(three.written().map(Arc::from)), three);

        let one = ChangedBy::from(&chain[..1]);
        assert_eq!(labels(&one), ["words"]);
        assert!(Arc::ptr_eq(one.0.as_ref().unwrap(), &chain[0]), "shared");
        let none = ChangedBy::from(&chain[..0]);
        assert_eq!((none.is_empty(), none.written(), labels(&none)), (true, None, vec![]));
        assert_eq!((ChangedBy::read(None), ChangedBy::default()), (none.clone(), none));
    }

    #[test]
    fn what_cannot_be_a_label_is_left_out() {
        let long = "x".repeat(65);
        for bad in ["", "A", "a b", "ä", "a\"", "a\0", &long] {
            assert!(ChangedBy::of([bad]).is_empty(), "{bad:?}");
            assert!(ChangedBy::read(Some(bad.into())).is_empty(), "{bad:?}");
            assert!(ChangedBy::from(&[Arc::from(bad)][..]).is_empty(), "{bad:?}");
            assert_eq!(labels(&ChangedBy::of(["a", bad, "b"])), ["a", "b"]);
            let read = ChangedBy::read(Some(format!("a,{bad},b").into()));
            assert_eq!(labels(&read), ["a", "b"]);
        }
        let many: Vec<String> = (0..100).map(|n| format!("entry-{n}")).collect();
        let kept = ChangedBy::of(many.iter().map(String::as_str));
        assert_eq!(labels(&kept), many[..ChangedBy::MOST]);
        assert_eq!(ChangedBy::read(Some(many.join(",").into())), kept);
    }

    proptest! {
        #[test]
        fn what_was_written_is_read(given in prop::collection::vec("[a-c.,_ -]{0,3}", 0..40)) {
            let changed_by = ChangedBy::of(given.iter().map(String::as_str));
            let wanted = given.iter().filter(|label| is_label(label)).take(ChangedBy::MOST);
            prop_assert_eq!(labels(&changed_by), wanted.collect::<Vec<_>>());
            let written: Option<Arc<str>> = changed_by.written().map(Arc::from);
            prop_assert_eq!(ChangedBy::read(written), changed_by);
        }
    }
}
