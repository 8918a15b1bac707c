//! Moving all that one store keeps to another: read in pages, written as it was.

use async_trait::async_trait;
use confab_plugin::UserId;

use super::{
    Account, Conversation, LoginId, Mark, Message, RefreshableLogin, StoreError, Timestamp,
};

/// The most messages in one page.
pub(super) const PAGE_MESSAGES: usize = 1000;

/// The most text in one page, in bytes; one message always fits.
pub(super) const PAGE_BYTES: usize = 1024 * 1024;

/// How much a store keeps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Size {
    /// Accounts.
    pub accounts: u64,
    /// Conversations.
    pub conversations: u64,
    /// Messages.
    pub messages: u64,
}

/// Reads all that is kept.
#[async_trait]
pub trait Export: Send + Sync {
    /// How much there is: counted from the outside, whether it can be read or not. May be an
    /// estimate.
    async fn size(&self) -> Result<Size, StoreError>;

    /// At most `most` accounts with larger ids, ascending by id; fewer at the end only.
    async fn accounts(
        &self,
        after: Option<UserId>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError>;

    /// At most `most` conversations after this one, ascending; fewer at the end only. Some may
    /// turn out to have no message.
    async fn conversations(
        &self,
        after: Option<Conversation>,
        most: usize,
    ) -> Result<Vec<Conversation>, StoreError>;

    /// One conversation as it now stands; empty if it is unknown.
    async fn thread(&self, conversation: Conversation) -> Result<Thread, StoreError>;

    /// Whether it knows of logins at all.
    fn keeps_logins(&self) -> bool;

    /// At most `most` logins with larger ids, ascending by id; fewer at the end only.
    async fn logins(
        &self,
        after: Option<LoginId>,
        most: usize,
    ) -> Result<Vec<RefreshableLogin>, StoreError>;
}

/// A conversation to be read.
pub struct Thread {
    /// The newest message; 0 when there is none.
    pub last_seq: u64,
    /// When the newest message was received.
    pub last_at: Timestamp,
    /// The read marks above 0, the first user's first.
    pub marks: Vec<Mark>,
    /// The messages.
    pub messages: Box<dyn Messages>,
}

/// The messages of one conversation.
#[async_trait]
pub trait Messages: Send + Sync {
    /// Some of the messages after `seq`, ascending; none at the end only.
    async fn after(&self, seq: u64) -> Result<Vec<Message>, StoreError>;
}

/// Whether a store has an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Presence {
    /// Neither its id nor its name.
    Missing,
    /// Exactly this one.
    Same,
    /// Another one in its place, and in what they differ.
    Other(String),
}

/// Takes over what another store has, as it is: ids, `seq`, times and client ids included.
/// Never changes what is there, except that read marks move forward and logins follow the other's.
#[async_trait]
pub trait Import: Export {
    /// Makes what the store needs to be written to.
    async fn prepare(&self) -> Result<(), StoreError>;

    /// What makes this store unfit to be written to, if anything does: one sentence.
    async fn objection(&self) -> Result<Option<String>, StoreError>;

    /// Which of these accounts are there, in their order.
    async fn compare_accounts(&self, accounts: &[Account]) -> Result<Vec<Presence>, StoreError>;

    /// Keeps accounts that are [`Missing`](Presence::Missing).
    async fn add_accounts(&self, accounts: &[Account]) -> Result<(), StoreError>;

    /// Makes ready for the messages of a conversation, which go up to `last_seq`.
    async fn begin(
        &self,
        conversation: Conversation,
        last_seq: u64,
        last_at: Timestamp,
    ) -> Result<(), StoreError>;

    /// Keeps messages that follow on those that are there. `by_first`: how many of the messages
    /// before these the conversation's first user has sent. When it fails or is interrupted, a
    /// part from the beginning was kept. Returns what is in the way, if something is; then too.
    async fn add_messages(
        &self,
        conversation: Conversation,
        by_first: u64,
        messages: &[Message],
    ) -> Result<Option<String>, StoreError>;

    /// Moves read marks forward to these.
    async fn add_marks(&self, marks: &[Mark]) -> Result<(), StoreError>;

    /// Keeps logins, in the place of what they were before.
    async fn put_logins(&self, logins: &[RefreshableLogin]) -> Result<(), StoreError>;

    /// Forgets logins.
    async fn end_logins(&self, logins: &[LoginId]) -> Result<(), StoreError>;
}

impl Account {
    /// In what this account and another one differ, without their contents.
    pub fn differs(&self, other: &Self) -> String {
        let fields = [
            ("id", self.id != other.id),
            ("username", self.username != other.username),
            ("display name", self.display_name != other.display_name),
            ("password", self.password_hash != other.password_hash),
            ("time of creation", self.created_at != other.created_at),
            ("number of ended sessions", self.standing.epoch != other.standing.epoch),
            ("being disabled", self.standing.disabled != other.standing.disabled),
            ("being deleted", self.standing.deleted != other.standing.deleted),
        ];
        differing(&fields)
    }
}

impl Message {
    /// In what this message and another one differ, without their contents.
    pub fn differs(&self, other: &Self) -> String {
        let fields = [
            ("seq", self.seq != other.seq),
            ("sender", (self.from, self.to) != (other.from, other.to)),
            ("text", self.content != other.content),
            ("client id", self.client_id != other.client_id),
            ("time", self.at != other.at),
            ("what changed it", self.changed_by != other.changed_by),
        ];
        differing(&fields)
    }
}

fn differing(fields: &[(&str, bool)]) -> String {
    let names: Vec<_> = fields.iter().filter(|(_, differs)| *differs).map(|(n, _)| *n).collect();
    format!("differs in {}", names.join(", "))
}
