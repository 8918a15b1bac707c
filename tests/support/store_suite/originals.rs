//! Messages are found by their senders' ids.

use std::sync::Arc;

use super::{Backend, fresh, message, message_id, send, send_many, user};
use confab::store::{Message, Store};
use confab_plugin::UserId;

async fn find(store: &dyn Store, from: UserId, id: &str) -> Option<Message> {
    let mut found = store.originals(vec![(from, id.into())]).await.unwrap();
    assert_eq!(found.len(), 1);
    found.remove(0)
}

pub async fn what_was_sent_is_found_by_its_senders_id<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob, cid) = (user(1), user(2), user(3));
    assert_eq!(find(&*store, ann, "x").await, None, "of a conversation that does not exist");
    let hers = send(&*store, message_id(ann, bob, "hers", "x")).await.unwrap().message;
    let his = send(&*store, message_id(bob, ann, "his", "x")).await.unwrap().message;
    let note = send(&*store, message_id(cid, cid, "a note", "x")).await.unwrap().message;
    send(&*store, message(ann, bob, "without an id")).await.unwrap();
    send(&*store, message_id(ann, cid, "to another", "x")).await.unwrap_err();
    for (from, wanted) in [(ann, &hers), (bob, &his), (cid, &note)] {
        assert_eq!(find(&*store, from, "x").await.as_ref(), Some(wanted));
        for other in ["X", "x ", "", "xx", "$ne"] {
            assert_eq!(find(&*store, from, other).await, None, "{other:?}");
        }
    }
    assert_eq!(find(&*store, user(4), "x").await, None, "somebody else's id");
    assert_eq!(store.originals(Vec::new()).await, Ok(Vec::new()));
    store.close().await;
    store.originals(vec![(ann, "x".into())]).await.unwrap_err();
    let store = space.open().await;
    assert_eq!(find(&*store, ann, "x").await, Some(hers), "after a restart");
}

pub async fn hundreds_are_found_at_once<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, peers) = (user(1), (2..8).map(user).collect::<Vec<_>>());
    let batch: Vec<_> = (0..300)
        .map(|n| message_id(ann, peers[n % peers.len()], &format!("{n}"), &format!("id {n}")))
        .collect();
    let stored = store.append(batch).await;
    let stored: Vec<_> = stored.into_iter().map(|answer| answer.unwrap().message).collect();
    // Known and unknown ones in turns, and one of them twice.
    let mut asked: Vec<(UserId, Arc<str>)> = Vec::new();
    let mut wanted = Vec::new();
    for message in stored.iter().rev().chain([&stored[7]]) {
        let id = message.client_id.clone().unwrap();
        asked.extend([(ann, Arc::clone(&id)), (message.to, id)]);
        wanted.extend([Some(message.clone()), None]);
    }
    assert_eq!(store.originals(asked).await.unwrap(), wanted);
}

pub async fn what_was_acknowledged_is_found_at_once<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send_many(&*store, ann, bob, 3).await;
    let tasks = (0..100).map(|n| {
        let (store, new) = (store.clone(), message_id(ann, bob, "hi", &format!("{n}")));
        tokio::spawn(async move {
            let sent = send(&*store, new).await.unwrap().message;
            let id = sent.client_id.clone().unwrap();
            assert_eq!(find(&*store, ann, &id).await, Some(sent));
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    drop(space);
}
