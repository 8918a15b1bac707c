//! A checksum of content: SHA-256 over the fields in a fixed form, the same for every backend.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::store::{Account, Conversation, Mark, Message, RefreshableLogin};

/// A finished checksum. Shown by its first sixteen hexadecimal digits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A checksum in the making.
#[derive(Clone, Default)]
pub(super) struct Hasher(Sha256);

impl Hasher {
    pub(super) fn account(&mut self, account: &Account) {
        self.number(account.id.as_u128());
        self.text(account.username.as_str());
        self.optional(account.display_name.as_deref());
        self.text(&account.password_hash);
        self.0.update(account.created_at.0.to_be_bytes());
    }

    pub(super) fn message(&mut self, message: &Message) {
        self.0.update(message.seq.to_be_bytes());
        self.number(message.from.as_u128());
        self.number(message.to.as_u128());
        self.0.update(message.at.0.to_be_bytes());
        self.optional(message.client_id.as_deref());
        self.text(&message.content);
        self.optional(message.changed_by.written());
    }

    pub(super) fn mark(&mut self, mark: &Mark) {
        self.number(mark.reader.as_u128());
        self.number(mark.peer.as_u128());
        self.0.update(mark.upto.to_be_bytes());
        self.0.update(mark.at.0.to_be_bytes());
    }

    pub(super) fn login(&mut self, login: &RefreshableLogin) {
        self.number(login.id.0);
        self.number(login.user.as_u128());
        self.0.update(login.epoch.to_be_bytes());
        self.0.update(login.token);
        self.0.update([u8::from(login.used.is_some())]);
        if let Some(used) = &login.used {
            self.0.update(used.token);
            self.0.update(used.at.0.to_be_bytes());
            self.0.update(used.salt);
        }
        self.0.update(login.expires.0.to_be_bytes());
    }

    /// A conversation by the checksum of what is in it.
    pub(super) fn conversation(&mut self, conversation: Conversation, content: Digest) {
        self.number(conversation.first().as_u128());
        self.number(conversation.second().as_u128());
        self.0.update(content.0);
    }

    pub(super) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }

    fn number(&mut self, value: u128) {
        self.0.update(value.to_be_bytes());
    }

    /// With its length before it, so that no two fields can pass for others.
    fn text(&mut self, text: &str) {
        self.0.update((text.len() as u64).to_be_bytes());
        self.0.update(text);
    }

    fn optional(&mut self, text: Option<&str>) {
        self.0.update([u8::from(text.is_some())]);
        self.text(text.unwrap_or_default());
    }
}
