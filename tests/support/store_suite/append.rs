//! Appending: order, retries, content.

use std::collections::BTreeSet;

use confab::store::{Conversation, Message, NewMessage, StoreError};

use super::{Backend, all, at, fresh, message, message_id, send, user};

pub async fn messages_are_numbered_in_the_order_given<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob, cid) = (user(1), user(2), user(3));
    let batch = vec![
        message(ann, bob, "1"),
        message(ann, cid, "other"),
        message(bob, ann, "2"),
        message_id(ann, bob, "3", "x"),
    ];
    let answers = store.append(batch.clone()).await;
    let seqs = [1, 1, 2, 3];
    assert_eq!(answers.len(), batch.len());
    for ((new, answer), seq) in batch.into_iter().zip(answers).zip(seqs) {
        let answer = answer.unwrap();
        assert!(answer.new);
        let NewMessage { from, to, content, client_id, at, changed_by } = new;
        let conversation = Conversation::between(from, to);
        let wanted = Message { conversation, seq, from, to, content, client_id, at, changed_by };
        assert_eq!(answer.message, wanted);
    }
    let contents: Vec<_> = all(&*store, bob, ann).await.into_iter().map(|m| m.content).collect();
    assert_eq!(contents, ["1", "2", "3"].map(std::sync::Arc::<str>::from));
}

pub async fn concurrent_appends_leave_no_hole<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let mut tasks = Vec::new();
    for number in 0..1000 {
        for (from, to) in [(ann, bob), (bob, ann)] {
            let (store, id) = (store.clone(), format!("{number}"));
            let new = message_id(from, to, &id, &id);
            tasks.push(tokio::spawn(async move { send(&*store, new).await.unwrap() }));
        }
    }
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap().message);
    }
    told.sort_by_key(|message| message.seq);
    let seqs: Vec<_> = told.iter().map(|message| message.seq).collect();
    assert_eq!(seqs, (1..=2000).collect::<Vec<_>>());
    assert_eq!(all(&*store, ann, bob).await, told);
}

pub async fn a_retry_returns_the_original<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let first = send(&*store, message_id(ann, bob, "hello", "a")).await.unwrap();
    send(&*store, message_id(ann, bob, "more", "b")).await.unwrap();
    let retry = NewMessage { at: at(1000), ..message_id(ann, bob, "changed", "a") };
    let again = send(&*store, retry).await.unwrap();
    assert!(first.new && !again.new);
    assert_eq!(again.message, first.message);
    assert_eq!(all(&*store, ann, bob).await.len(), 2);
    let next = send(&*store, message(ann, bob, "next")).await.unwrap();
    assert_eq!((next.message.seq, next.message.at), (3, at(0)));
}

pub async fn a_retry_in_the_same_batch_is_known<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let batch = ["a", "b", "a", "a", "b", "c"].map(|id| message_id(ann, bob, id, id));
    let answers = store.append(batch.into()).await;
    let told: Vec<_> = answers.into_iter().map(|a| a.unwrap()).collect();
    let told: Vec<_> = told.iter().map(|a| (a.message.seq, a.new)).collect();
    let wanted = [(1, true), (2, true), (1, false), (1, false), (2, false), (3, true)];
    assert_eq!(told, wanted);
    assert_eq!(all(&*store, ann, bob).await.len(), 3);
}

pub async fn concurrent_retries_are_one_message<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let tasks: Vec<_> = (0..50)
        .map(|number| {
            let store = store.clone();
            let new = message_id(ann, bob, &format!("try {number}"), "same");
            tokio::spawn(async move { send(&*store, new).await.unwrap() })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    assert_eq!(told.iter().filter(|answer| answer.new).count(), 1);
    let stored = all(&*store, ann, bob).await;
    assert_eq!(stored.len(), 1);
    assert!(told.iter().all(|answer| answer.message == stored[0]));
}

pub async fn an_id_is_its_senders_own<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let one = send(&*store, message_id(ann, bob, "mine", "x")).await.unwrap();
    let two = send(&*store, message_id(bob, ann, "mine", "x")).await.unwrap();
    let three = send(&*store, message_id(ann, bob, "mine", "X")).await.unwrap();
    assert_eq!(
        [one, two, three].map(|a| (a.message.seq, a.new)),
        [(1, true), (2, true), (3, true)]
    );
}

pub async fn a_reused_id_is_refused_alone<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob, cid, dan) = (user(1), user(2), user(3), user(4));
    send(&*store, message_id(ann, bob, "original", "x")).await.unwrap();
    send(&*store, message(ann, cid, "known")).await.unwrap();
    let batch = vec![
        message_id(ann, cid, "a conversation that exists", "x"),
        message_id(ann, dan, "one that does not", "x"),
        message_id(ann, ann, "with oneself", "x"),
        message(ann, cid, "good"),
        message_id(ann, dan, "good", "y"),
    ];
    let answers = store.append(batch).await;
    for answer in &answers[..3] {
        assert_eq!(*answer, Err(StoreError::IdReused));
    }
    assert_eq!(answers[3].as_ref().unwrap().message.seq, 2);
    assert_eq!(answers[4].as_ref().unwrap().message.seq, 1);
    let listed = store.conversations(ann, None, 10).await.unwrap().conversations;
    assert_eq!(listed.len(), 3, "no conversation without a message");
    assert!(all(&*store, ann, ann).await.is_empty());
}

pub async fn concurrent_reuse_stores_one<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = user(1);
    let tasks: Vec<_> = (2..42)
        .map(|peer| {
            let (store, new) = (store.clone(), message_id(ann, user(peer), "hi", "same"));
            tokio::spawn(async move { send(&*store, new).await })
        })
        .collect();
    let mut stored = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(answer) => stored += u32::from(answer.new),
            Err(error) => assert_eq!(error, StoreError::IdReused),
        }
    }
    assert_eq!(stored, 1);
    let listed = store.conversations(ann, None, 100).await.unwrap().conversations;
    assert_eq!(listed.len(), 1);
}

pub async fn time_never_runs_backwards<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob, cid) = (user(1), user(2), user(3));
    let timed = |to, millis| NewMessage { at: at(millis), ..message(ann, to, "tick") };
    let batch = vec![timed(bob, 10), timed(bob, 5), timed(cid, 1), timed(bob, 20)];
    store.append(batch).await;
    send(&*store, timed(bob, -500)).await.unwrap();
    let times = |messages: Vec<Message>| messages.into_iter().map(|m| m.at).collect::<Vec<_>>();
    assert_eq!(times(all(&*store, ann, bob).await), [at(10), at(10), at(20), at(20)]);
    assert_eq!(times(all(&*store, ann, cid).await), [at(1)]);
}

pub async fn content_is_kept_to_the_byte<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let long = "ß🙂\u{0}".repeat(40_000);
    let contents = [
        "\u{0}",
        "a\u{0}b",
        " \t\r\n ",
        "'; DROP TABLE messages; --",
        "%_\\\"",
        "$where.{}",
        "e\u{301} é",
        "\u{202e}rtl\u{202c}",
        "👩‍👩‍👧‍👦",
        "\u{feff}bom",
        "\u{fffd}\u{ffff}\u{10ffff}",
        "\u{200b}",
        "",
        &long,
    ];
    let batch = contents
        .iter()
        .zip(0..)
        .map(|(text, n)| message_id(ann, bob, text, &format!("{n}\u{0}{text:.9}")));
    let batch: Vec<_> = batch.collect();
    let told = store.append(batch.clone()).await;
    let stored = all(&*store, ann, bob).await;
    assert_eq!(stored.len(), contents.len());
    for ((new, told), stored) in batch.into_iter().zip(told).zip(stored) {
        assert_eq!(told.unwrap().message, stored);
        assert_eq!(
            (stored.content, stored.client_id),
            (new.content.clone(), new.client_id.clone())
        );
        let again = send(&*store, new).await.unwrap();
        assert!(!again.new);
    }
}

pub async fn notes_to_oneself_are_a_conversation<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = user(1);
    for seq in 1..=3 {
        let note = send(&*store, message_id(ann, ann, "note", &seq.to_string())).await.unwrap();
        assert_eq!((note.message.seq, note.message.from, note.message.to), (seq, ann, ann));
    }
    let stored = all(&*store, ann, ann).await;
    assert_eq!(stored.iter().map(|m| m.seq).collect::<BTreeSet<_>>(), BTreeSet::from([1, 2, 3]));
    let listed = store.conversations(ann, None, 10).await.unwrap().conversations;
    assert_eq!(listed.iter().map(|c| (c.peer, c.unread)).collect::<Vec<_>>(), [(ann, 0)]);
    assert_eq!(listed[0].last_message, stored[2]);
}

pub async fn an_empty_batch_is_nothing<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    assert!(store.append(Vec::new()).await.is_empty());
    assert!(store.mark_seen(Vec::new()).await.is_empty());
}
