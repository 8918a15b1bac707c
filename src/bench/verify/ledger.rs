//! What a run knows of its messages: those acknowledged, and what every view received.
//!
//! Everything here only grows, and is small: an acknowledgement is 32 bytes, an arrival 24.

use std::hash::{DefaultHasher, Hash, Hasher};

/// One message of the run in few bytes: its sender and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Which of the run's users sent it.
    pub user: u32,
    /// Which of that user's messages it is.
    pub n: u32,
}

impl Key {
    /// The `user` of a message that this run did not send; its `n` tells such messages apart.
    const FOREIGN: u32 = u32::MAX;

    /// Whether this run did not send it.
    pub fn is_foreign(self) -> bool {
        self.user == Self::FOREIGN
    }
}

/// The client ids of one run: `<run>-<user>-<n>`.
#[derive(Clone, Debug)]
pub struct Ids {
    run: String,
}

impl Ids {
    /// Those of the run with this name, which no other run may have.
    pub fn new(run: impl Into<String>) -> Self {
        Self { run: run.into() }
    }

    /// The login name of a user of the run.
    pub fn user(&self, index: u32) -> String {
        format!("{}-{index}", self.run)
    }

    /// The id of a message.
    pub fn write(&self, key: Key) -> String {
        if key.is_foreign() {
            return "(not of this run)".to_owned();
        }
        format!("{}-{}-{}", self.run, key.user, key.n)
    }

    /// The message with this id. One without an id, or of another run, is foreign.
    pub fn read(&self, id: Option<&str>, from: &str, content: &str) -> Key {
        let own = || {
            let rest = id?.strip_prefix(&self.run)?.strip_prefix('-')?;
            let (user, n) = rest.split_once('-')?;
            let key = Key { user: user.parse().ok()?, n: n.parse().ok()? };
            // "+1" and "01" are numbers too, and not what was sent.
            (!key.is_foreign() && self.write(key) == id?).then_some(key)
        };
        own().unwrap_or_else(|| {
            let mark = fingerprint(&(id, from, content));
            Key { user: Key::FOREIGN, n: (mark >> 32) as u32 }
        })
    }
}

/// A hash by which texts are told apart, the same in every process of this build.
pub fn fingerprint(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// An echo: the daemon's word that a message is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Acknowledged {
    /// The message.
    pub key: Key,
    /// Its place in the conversation, by the echo.
    pub seq: u64,
    /// The fingerprint of the text that must be kept.
    pub content: u64,
    /// When, in milliseconds since the run began.
    pub at: u32,
}

/// How a message reached a view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// A `message` frame with another device's message.
    Live,
    /// A `message` frame with a message of its own, sent on this session: it comes as soon as the
    /// node has stored it, and so may overtake what another node stored before.
    Echo,
    /// A `message` frame that answers a message sent again: it shows the stored original, whose
    /// place may be an old one.
    Answer,
    /// In the answer to a `sync`.
    Sync,
}

/// A message that a view received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The message.
    pub key: Key,
    /// The fingerprint of its text.
    pub content: u64,
    /// Its place in the conversation; one beyond 32 bits becomes the largest.
    pub seq: u32,
    /// Which of the view's sessions received it. Wraps around: neighbours differ.
    pub session: u16,
    /// How it came.
    pub how: How,
}

/// One device of a user over all its sessions.
#[derive(Clone, Debug)]
pub struct View {
    /// Which device, for people: "ann's first device".
    pub name: String,
    /// What it received of the conversation, in order of arrival.
    pub arrivals: Vec<Arrival>,
}

/// What the run knows of one conversation.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// The name by which the daemon knows it.
    pub name: String,
    /// Every echo, in the order in which each sender received it.
    pub acknowledged: Vec<Acknowledged>,
    /// The devices of both users.
    pub views: Vec<View>,
    /// Whether several nodes store in it: then an echo, which waits for the store alone, may
    /// overtake what another node stored before.
    pub several_nodes: bool,
}

/// A message in the daemon's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its place.
    pub seq: u64,
    /// The message.
    pub key: Key,
    /// The fingerprint of its text.
    pub content: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_reads_what_it_wrote() {
        let ids = Ids::new("k3-x");
        let key = Key { user: 7, n: 4_000_000_000 };
        assert_eq!(ids.write(key), "k3-x-7-4000000000");
        assert_eq!(ids.read(Some("k3-x-7-4000000000"), "a", "b"), key);
        for other in ["k3-x-7", "k3-x-7-+1", "k3-x-07-1", "k3-y-7-1", "", "k3-x-4294967295-1"] {
            assert!(ids.read(Some(other), "a", "b").is_foreign(), "{other}");
        }
        assert!(ids.read(None, "a", "b").is_foreign());
        assert_ne!(ids.read(None, "a", "b"), ids.read(None, "a", "c"));
    }

    #[test]
    fn it_is_as_small_as_the_manual_says() {
        assert_eq!((size_of::<Acknowledged>(), size_of::<Arrival>()), (32, 24));
        assert_eq!(size_of::<Entry>(), 24);
    }
}
