//! What every store must do: the conformance suite. A backend says how to make a fresh space and
//! how to open it; `store_suite!` runs all of the suite on it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

pub mod accounts;
pub mod append;
pub mod changed_by;
pub mod changes;
pub mod conversations;
pub mod history;
pub mod lifecycle;
pub mod marks;
pub mod model;
pub mod originals;
pub mod property;
pub mod standing;

use std::sync::Arc;

use confab::store::{Account, Appended, ChangedBy, Conversation, HistoryQuery, Message, NewMark};
use confab::store::{NewMessage, Standing, Store, StoreError, Timestamp};
use confab_plugin::UserId;

/// One empty space to keep things in, on one kind of store.
pub trait Backend: Send + Sync + 'static {
    /// A fresh space.
    fn fresh() -> impl Future<Output = Self> + Send;

    /// Opens the space, with [`UNREAD`] as the highest unread count; again after a close.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// The highest unread count that the stores under test tell.
pub const UNREAD: u64 = 5;

/// A fresh space with its store opened.
pub async fn fresh<B: Backend>() -> (B, Arc<dyn Store>) {
    let backend = B::fresh().await;
    let store = backend.open().await;
    (backend, store)
}

/// The moment that tests count from.
pub const NOON: Timestamp = Timestamp(1_750_000_000_000);

/// Some milliseconds after noon.
pub fn at(millis: i64) -> Timestamp {
    Timestamp(NOON.0 + millis)
}

/// A user, by number.
pub fn user(number: u128) -> UserId {
    UserId::from_u128(0x0198_0000_0000_0000_0000_0000_0000_0000 + number)
}

/// An account, by number, with a name of its own.
pub fn account(number: u128) -> Account {
    Account {
        id: user(number),
        username: format!("user-{number}").parse().unwrap(),
        display_name: None,
        password_hash: "$argon2id$hash".into(),
        created_at: NOON,
        standing: Standing::default(),
    }
}

/// A message without a client id.
pub fn message(from: UserId, to: UserId, content: &str) -> NewMessage {
    NewMessage {
        from,
        to,
        content: content.into(),
        client_id: None,
        at: NOON,
        changed_by: ChangedBy::default(),
    }
}

/// A message with a client id.
pub fn message_id(from: UserId, to: UserId, content: &str, id: &str) -> NewMessage {
    NewMessage { client_id: Some(id.into()), ..message(from, to, content) }
}

/// Appends one message.
pub async fn send(store: &dyn Store, new: NewMessage) -> Result<Appended, StoreError> {
    let mut answers = store.append(vec![new]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

/// Appends `count` messages in one batch.
pub async fn send_many(store: &dyn Store, from: UserId, to: UserId, count: usize) {
    let batch = (0..count).map(|n| message(from, to, &format!("message {n}"))).collect();
    for answer in store.append(batch).await {
        assert!(answer.unwrap().new);
    }
}

/// Moves a mark.
pub async fn see(
    store: &dyn Store,
    reader: UserId,
    peer: UserId,
    upto: Option<u64>,
) -> confab::store::Marked {
    let mut answers = store.mark_seen(vec![NewMark { reader, peer, upto, at: at(77) }]).await;
    assert_eq!(answers.len(), 1);
    answers.remove(0).unwrap()
}

/// All messages of a conversation, in order.
pub async fn all(store: &dyn Store, a: UserId, b: UserId) -> Vec<Message> {
    let query = HistoryQuery { limit: 100_000, ..HistoryQuery::default() };
    let page = store.history(Conversation::between(a, b), query).await.unwrap();
    assert!(!page.more);
    page.messages
}

/// Runs the whole suite on a backend, in a module of its own.
macro_rules! store_suite {
    ($backend:ident: $type:ty) => {
        mod $backend {
            use super::*;

            store_suite!(@file $type, accounts: an_account_is_found, a_name_is_given_once,
                of_racing_creators_one_wins, a_password_is_replaced_if_it_is_the_old_one);
            store_suite!(@file $type, standing: each_change_is_kept,
                a_deleted_account_keeps_its_name, a_bot_is_left_alone, accounts_are_listed_by_name,
                changes_are_found_in_their_order, no_change_is_missed);
            store_suite!(@file $type, append: messages_are_numbered_in_the_order_given,
                concurrent_appends_leave_no_hole, a_retry_returns_the_original,
                a_retry_in_the_same_batch_is_known, concurrent_retries_are_one_message,
                an_id_is_its_senders_own, a_reused_id_is_refused_alone,
                concurrent_reuse_stores_one, time_never_runs_backwards,
                content_is_kept_to_the_byte, notes_to_oneself_are_a_conversation,
                an_empty_batch_is_nothing);
            store_suite!(@file $type, originals: what_was_sent_is_found_by_its_senders_id,
                hundreds_are_found_at_once, what_was_acknowledged_is_found_at_once);
            store_suite!(@file $type, changed_by: what_changed_a_message_is_told_by_every_reader,
                a_retry_has_what_changed_the_original);
            store_suite!(@file $type, history: every_page_is_as_asked,
                an_unknown_conversation_is_empty);
            store_suite!(@file $type, conversations: the_newest_come_first_page_by_page,
                ties_in_time_are_paged_by_peer, a_new_message_moves_a_conversation_up,
                unread_messages_are_counted, unread_messages_are_counted_up_to_a_bound,
                nobody_else_is_listed);
            store_suite!(@file $type, marks: a_mark_only_moves_forward,
                a_mark_stops_at_the_newest_message, without_messages_there_is_no_mark,
                each_side_has_its_own_mark, one_marks_notes_to_oneself,
                concurrent_marks_end_at_the_furthest);
            store_suite!(@file $type, changes: who_has_nothing_gets_everything,
                only_what_is_lacking_is_sent, the_number_of_messages_is_bounded,
                the_bytes_are_bounded_but_one_message_fits, asking_again_gets_everything,
                marks_come_with_what_was_asked, a_range_is_asked_about_alone,
                complete_means_all_that_was_stored_before, absurd_claims_are_harmless);
            store_suite!(@file $type, lifecycle: everything_survives_reopening,
                a_closed_store_is_unavailable, closing_finishes_what_waits, an_open_store_answers);
            store_suite!(@file $type, property: any_history_equals_the_model);
        }
    };
    (@file $type:ty, $file:ident: $($test:ident),+) => {
        mod $file {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $test() {
                    store_suite::$file::$test::<$type>().await;
                }
            )+
        }
    };
}
