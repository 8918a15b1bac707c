//! Opening, closing, opening again.

use std::collections::HashMap;

use confab::store::{
    Account, ChangeLimit, ChangeQuery, Conversation, HistoryQuery, NewMark, StoreError,
};

use super::{Backend, account, all, at, fresh, message, message_id, see, send, send_many, user};

const ALL: ChangeLimit = ChangeLimit { messages: 1000, bytes: 100_000 };

pub async fn everything_survives_reopening<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let with_name = Account { display_name: Some("Ann".into()), ..account(1) };
    store.create_account(with_name.clone()).await.unwrap();
    store.update_password(ann, "$argon2id$hash", "newer").await.unwrap();
    send(&*store, message_id(ann, bob, "first", "x")).await.unwrap();
    send_many(&*store, bob, ann, 4).await;
    send_many(&*store, user(3), ann, 2).await;
    see(&*store, ann, bob, Some(3)).await;
    see(&*store, bob, ann, None).await;
    let messages = all(&*store, ann, bob).await;
    let listed = store.conversations(ann, None, 10).await.unwrap();
    let changes = store.changes_since(ann, ChangeQuery::all(HashMap::new(), ALL)).await.unwrap();
    store.close().await;

    let store = space.open().await;
    let found = store.account_by_name(&with_name.username).await.unwrap();
    assert_eq!(found, Some(Account { password_hash: "newer".into(), ..with_name.clone() }));
    assert_eq!(store.create_account(with_name).await, Err(StoreError::UsernameTaken));
    assert_eq!(all(&*store, ann, bob).await, messages);
    assert_eq!(store.conversations(ann, None, 10).await.unwrap(), listed);
    assert_eq!(
        store.changes_since(ann, ChangeQuery::all(HashMap::new(), ALL)).await.unwrap(),
        changes
    );
    let retry = send(&*store, message_id(ann, bob, "again", "x")).await.unwrap();
    assert_eq!((&retry.message, retry.new), (&messages[0], false));
    let reused = send(&*store, message_id(ann, user(7), "again", "x")).await;
    assert_eq!(reused, Err(StoreError::IdReused));
    let next = send(&*store, message(ann, bob, "next")).await.unwrap();
    assert_eq!((next.message.seq, next.message.at), (6, at(0)));
    assert!(!see(&*store, ann, bob, Some(3)).await.moved);
}

fn is_unavailable<T>(answer: &Result<T, StoreError>) -> bool {
    matches!(answer, Err(StoreError::Unavailable(_)))
}

pub async fn a_closed_store_is_unavailable<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send(&*store, message(ann, bob, "before")).await.unwrap();
    store.close().await;
    store.close().await;
    let mark = NewMark { reader: bob, peer: ann, upto: None, at: at(0) };
    let name = account(1).username;
    assert!(is_unavailable(&store.ping().await));
    assert!(is_unavailable(&store.create_account(account(1)).await));
    assert!(is_unavailable(&store.account_by_id(ann).await));
    assert!(is_unavailable(&store.account_by_name(&name).await));
    assert!(is_unavailable(&store.update_password(ann, "a", "b").await));
    let answers = store.append(vec![message(ann, bob, "1"), message(ann, bob, "2")]).await;
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(is_unavailable));
    let answers = store.mark_seen(vec![mark; 2]).await;
    assert_eq!(answers.len(), 2);
    assert!(answers.iter().all(is_unavailable));
    let query = HistoryQuery { limit: 1, ..HistoryQuery::default() };
    assert!(is_unavailable(&store.history(Conversation::between(ann, bob), query).await));
    assert!(is_unavailable(&store.conversations(ann, None, 1).await));
    assert!(is_unavailable(&store.changes_since(ann, ChangeQuery::all(HashMap::new(), ALL)).await));

    let store = space.open().await;
    assert_eq!(all(&*store, ann, bob).await.len(), 1);
}

/// Of many appends in flight when the store closes, exactly those that were acknowledged, and
/// perhaps some that were not, are there afterwards; nothing hangs.
pub async fn closing_finishes_what_waits<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let tasks: Vec<_> = (0..500)
        .map(|number| {
            let (store, id) = (store.clone(), format!("{number}"));
            tokio::spawn(async move { send(&*store, message_id(ann, bob, "hi", &id)).await })
        })
        .collect();
    store.close().await;
    let mut told = Vec::new();
    for task in tasks {
        match task.await.unwrap() {
            Ok(answer) => told.push(answer.message),
            Err(error) => assert!(matches!(error, StoreError::Unavailable(_)), "{error}"),
        }
    }
    let store = space.open().await;
    let stored = all(&*store, ann, bob).await;
    assert!(told.iter().all(|message| stored.contains(message)));
    let seqs: Vec<_> = stored.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..).take(stored.len()).collect::<Vec<_>>());
}

pub async fn an_open_store_answers<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    store.ping().await.unwrap();
    assert!(store.lanes() >= 1);
}
