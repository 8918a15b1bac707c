//! Where accounts, messages and read marks are kept: the trait, and its backends.
//!
//! Invariant: nothing outside this module names SQL or BSON.

mod changed_by;
mod metered;
mod model;
pub mod mongo;
pub mod sqlite;
mod standing;
mod timestamp;
pub mod transfer;

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use confab_plugin::{UserId, Username};

pub use changed_by::ChangedBy;
pub use metered::MeteredStore;
pub use model::{
    Account, Appended, ChangeLimit, ChangeQuery, Changes, Conversation, ConversationCursor,
    ConversationPage, ConversationSummary, HistoryPage, HistoryQuery, Mark, Marked, Message,
    NewMark, NewMessage, PeerRange,
};
pub use standing::{AccountChange, Barred, Standing};
pub use timestamp::Timestamp;

/// Durable storage. Every method is safe to call concurrently; a method that changes something
/// returns only when the change is durable. One conformance suite (`tests/store.rs`) holds for
/// every backend.
#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Keeps a new account.
    ///
    /// # Errors
    /// [`StoreError::UsernameTaken`], also when two callers race for a name.
    async fn create_account(&self, account: Account) -> Result<(), StoreError>;

    /// The account with this id.
    async fn account_by_id(&self, id: UserId) -> Result<Option<Account>, StoreError>;

    /// The account with this login name.
    async fn account_by_name(&self, name: &Username) -> Result<Option<Account>, StoreError>;

    /// Replaces the password's hash if it still is `old`; says whether it did.
    async fn update_password(&self, id: UserId, old: &str, new: &str) -> Result<bool, StoreError>;

    /// Changes an account, and tells every node by [`account_changes`](Self::account_changes).
    /// Returns it as it now is; `None` when there is none, or it is a plugin's bot, is deleted
    /// already, or is in another epoch than the change asks for.
    async fn change_account(
        &self,
        id: UserId,
        change: AccountChange,
    ) -> Result<Option<Account>, StoreError>;

    /// At most `most` accounts, ascending by name, those after `after`; fewer at the end only.
    async fn accounts(
        &self,
        after: Option<&Username>,
        most: usize,
    ) -> Result<Vec<Account>, StoreError>;

    /// At most `most` accounts whose last change has a place after `after`, in the order of their
    /// places; fewer at the end only. Whoever asks again from the last place that they saw learns
    /// of every change of every node: no change takes a place before one that could be seen.
    async fn account_changes(&self, after: u64, most: usize) -> Result<Vec<Account>, StoreError>;

    /// The place of the newest change of an account; 0 for none.
    async fn last_account_change(&self) -> Result<u64, StoreError>;

    /// Stores messages in the order given, and answers for each, in that order. Idempotent by
    /// `(from, client_id)`: a retry returns the stored original, also within one batch. `seq`
    /// is assigned per conversation without gaps. Some may fail while others succeed.
    ///
    /// # Errors
    /// Each message's own: [`StoreError::IdReused`] when the id was used for another recipient,
    /// [`StoreError::Unavailable`] when it was not made durable.
    async fn append(&self, batch: Vec<NewMessage>) -> Vec<Result<Appended, StoreError>>;

    /// The messages that these senders have sent with these client ids, `None` for those that
    /// nobody has; an answer for each, in the order given. A message whose
    /// [`append`](Self::append) has returned, on any node, is found.
    async fn originals(
        &self,
        asked: Vec<(UserId, Arc<str>)>,
    ) -> Result<Vec<Option<Message>>, StoreError>;

    /// Learns that another node stored a message, so that the next [`append`](Self::append) to
    /// its conversation need not find out. Never waits; only ever a hint.
    fn saw(&self, conversation: Conversation, from: UserId, seq: u64, at: Timestamp) {
        let _ = (conversation, from, seq, at);
    }

    /// Moves read marks forward, and answers for each in the order given. `upto` beyond the
    /// newest message means the newest message. Without any message, the mark is 0 and not kept.
    async fn mark_seen(&self, batch: Vec<NewMark>) -> Vec<Result<Marked, StoreError>>;

    /// A part of a conversation. Unknown conversations are empty.
    async fn history(
        &self,
        conversation: Conversation,
        query: HistoryQuery,
    ) -> Result<HistoryPage, StoreError>;

    /// A page of a user's conversations, newest first, those after `cursor`.
    async fn conversations(
        &self,
        user: UserId,
        cursor: Option<ConversationCursor>,
        limit: usize,
    ) -> Result<ConversationPage, StoreError>;

    /// What `user` lacks of what they ask for. When the answer is `complete`, every message that
    /// was stored before the call is in it or was had.
    async fn changes_since(&self, user: UserId, query: ChangeQuery) -> Result<Changes, StoreError>;

    /// Whether the store can answer now: for `/readyz`.
    async fn ping(&self) -> Result<(), StoreError>;

    /// How many calls of [`append`](Self::append) the backend likes to run at the same time.
    fn lanes(&self) -> usize;

    /// Waits until the backend's own threads have shown that they still turn, for the watchdog.
    /// Never waits for a server: an outage of the store is not one of the daemon.
    async fn turned(&self);

    /// How long a call may take by the backend's own bounds, until it fails.
    fn longest(&self) -> Duration;

    /// Finishes what waits and releases the backend. Later calls fail with `Unavailable`.
    async fn close(&self);
}

/// Why a store could not do as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// Another account has this name.
    UsernameTaken,
    /// The sender used this client id for a message to somebody else.
    IdReused,
    /// The backend cannot answer now, or not in time; nothing is known to have been stored.
    /// The text is for the operator's log, never for a client.
    Unavailable(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::UsernameTaken => f.write_str("the username is taken"),
            StoreError::IdReused => f.write_str("the message id was used for another recipient"),
            StoreError::Unavailable(why) => write!(f, "the store is unavailable: {why}"),
        }
    }
}

impl std::error::Error for StoreError {}
