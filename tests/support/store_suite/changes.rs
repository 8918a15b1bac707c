//! What a user lacks after a while away.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use confab::store::{
    ChangeLimit, ChangeQuery, Changes, Conversation, Mark, Message, PeerRange, Store,
};
use confab_plugin::UserId;

use super::{Backend, all, at, fresh, message, see, send, send_many, user};

const ALL: ChangeLimit = ChangeLimit { messages: 10_000, bytes: usize::MAX };

/// A conversation's messages after `have`, in the answer's order.
fn of(changes: &Changes, a: UserId, b: UserId) -> Vec<Message> {
    let conversation = Conversation::between(a, b);
    changes.messages.iter().filter(|m| m.conversation == conversation).cloned().collect()
}

/// Ann (1) has: 3 messages with bob (2), 2 with cid (3), 1 with herself. Others have one too.
async fn three_conversations(store: &dyn Store) {
    send_many(store, user(1), user(2), 2).await;
    send_many(store, user(2), user(1), 1).await;
    send_many(store, user(3), user(1), 2).await;
    send_many(store, user(1), user(1), 1).await;
    send_many(store, user(2), user(3), 5).await;
}

pub async fn who_has_nothing_gets_everything<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = user(1);
    let none = HashMap::new();
    let changes = store.changes_since(ann, ChangeQuery::all(none.clone(), ALL)).await.unwrap();
    assert_eq!(changes, Changes { complete: true, ..Changes::default() });
    three_conversations(&*store).await;
    let changes = store.changes_since(ann, ChangeQuery::all(none.clone(), ALL)).await.unwrap();
    for peer in [1, 2, 3].map(user) {
        assert_eq!(of(&changes, ann, peer), all(&*store, ann, peer).await);
    }
    assert_eq!(changes.messages.len(), 6);
    assert!(changes.complete && changes.marks.is_empty());
}

pub async fn only_what_is_lacking_is_sent<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob, cid) = (user(1), user(2), user(3));
    three_conversations(&*store).await;
    let have = HashMap::from([(bob, 1), (cid, 2), (ann, 0), (user(9), 4)]);
    let changes = store.changes_since(ann, ChangeQuery::all(have.clone(), ALL)).await.unwrap();
    assert_eq!(of(&changes, ann, bob), all(&*store, ann, bob).await[1..]);
    assert_eq!(of(&changes, ann, cid), []);
    assert_eq!(of(&changes, ann, ann), all(&*store, ann, ann).await);
    assert_eq!(changes.messages.len(), 3);
    assert!(changes.complete);
}

pub async fn the_number_of_messages_is_bounded<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = user(1);
    three_conversations(&*store).await;
    for messages in 0..=7 {
        let limit = ChangeLimit { messages, ..ALL };
        let changes =
            store.changes_since(ann, ChangeQuery::all(HashMap::new(), limit)).await.unwrap();
        assert_eq!(changes.messages.len(), messages.min(6));
        assert_eq!(changes.complete, messages >= 6, "limit {messages}");
        for peer in [1, 2, 3].map(user) {
            let sent = of(&changes, ann, peer);
            assert_eq!(sent, all(&*store, ann, peer).await[..sent.len()], "no hole");
        }
    }
}

pub async fn the_bytes_are_bounded_but_one_message_fits<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    for content in ["éé", "", "abc", "defghij"] {
        send(&*store, message(bob, ann, content)).await.unwrap();
    }
    let none = HashMap::new();
    let wanted =
        [(0, 2), (1, 2), (4, 2), (6, 2), (7, 3), (13, 3), (14, 4), (99, 4), (usize::MAX, 4)];
    for (bytes, count) in wanted {
        let limit = ChangeLimit { bytes, ..ALL };
        let changes =
            store.changes_since(ann, ChangeQuery::all(none.clone(), limit)).await.unwrap();
        assert_eq!(changes.messages.len(), count, "{bytes} bytes");
        assert_eq!(changes.complete, count == 4);
    }
    let have = HashMap::from([(bob, 3)]);
    let limit = ChangeLimit { bytes: 1, ..ALL };
    let changes = store.changes_since(ann, ChangeQuery::all(have.clone(), limit)).await.unwrap();
    assert_eq!((changes.messages.len(), changes.complete), (1, true));
}

pub async fn asking_again_gets_everything<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = user(1);
    for peer in 2..30 {
        send_many(&*store, user(peer), ann, usize::try_from(peer % 7).unwrap() + 1).await;
    }
    for messages in [1, 3, 50] {
        let limit = ChangeLimit { messages, ..ALL };
        let mut have = HashMap::new();
        loop {
            let changes =
                store.changes_since(ann, ChangeQuery::all(have.clone(), limit)).await.unwrap();
            for message in &changes.messages {
                let known = have.entry(message.from).or_insert(0);
                *known += 1;
                assert_eq!(message.seq, *known);
            }
            if changes.complete {
                break;
            }
            assert_eq!(changes.messages.len(), messages);
        }
        for peer in 2..30 {
            assert_eq!(have[&user(peer)], u64::try_from(peer % 7).unwrap() + 1);
        }
    }
}

pub async fn marks_come_with_what_was_asked<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob, cid) = (user(1), user(2), user(3));
    three_conversations(&*store).await;
    see(&*store, ann, bob, Some(2)).await;
    see(&*store, bob, ann, Some(3)).await;
    see(&*store, cid, ann, Some(1)).await;
    see(&*store, ann, ann, Some(1)).await;
    see(&*store, cid, bob, Some(4)).await;
    let mark = |reader, peer, upto| Mark { reader, peer, upto, at: at(77) };
    let with_bob = [mark(ann, bob, 2), mark(bob, ann, 3)];
    let with_cid = [mark(cid, ann, 1)];
    let own = [mark(ann, ann, 1)];
    let cases = [
        // All is known, and all is asked for.
        (vec![(bob, 3), (cid, 2), (ann, 1)], ALL, [&with_bob[..], &with_cid, &own].concat()),
        // Nothing is known: those of the conversations with messages.
        (vec![], ALL, [&with_bob[..], &with_cid, &own].concat()),
        // An answer that is not complete has none: they would be repeated with each.
        (vec![(bob, 0), (cid, 2), (ann, 1)], ChangeLimit { messages: 2, ..ALL }, vec![]),
        (vec![], ChangeLimit { messages: 0, ..ALL }, vec![]),
        // The last one has those of all conversations that it names, also if none has news.
        (
            vec![(bob, 2), (cid, 2)],
            ChangeLimit { messages: 2, ..ALL },
            [&with_bob[..], &with_cid, &own].concat(),
        ),
    ];
    for (have, limit, mut wanted) in cases {
        let have: HashMap<_, _> = have.into_iter().collect();
        let mut marks =
            store.changes_since(ann, ChangeQuery::all(have.clone(), limit)).await.unwrap().marks;
        marks.sort_by_key(|mark| (mark.reader, mark.peer));
        wanted.sort_by_key(|mark| (mark.reader, mark.peer));
        assert_eq!(marks, wanted, "{have:?}");
    }
}

pub async fn a_range_is_asked_about_alone<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob, cid) = (user(2), user(1), user(3));
    for (peer, count) in [(ann, 1), (bob, 2), (cid, 3)] {
        send_many(&*store, peer, ann, count).await;
        see(&*store, ann, peer, Some(1)).await;
    }
    let (before, last) = (user(0), UserId::from_u128(u128::MAX));
    let ends = [None, Some(before), Some(bob), Some(ann), Some(cid), Some(user(4)), Some(last)];
    for (from, to) in ends.iter().flat_map(|from| ends.iter().map(move |to| (*from, *to))) {
        let between = PeerRange { from, to };
        let query = ChangeQuery { have: HashMap::new(), between, limit: ALL };
        let changes = store.changes_since(ann, query).await.unwrap();
        let told: Vec<_> = [(bob, 2), (ann, 1), (cid, 3)]
            .map(|(peer, count)| (of(&changes, ann, peer).len(), between.contains(peer), count))
            .into_iter()
            .map(|(told, wanted, count)| told == if wanted { count } else { 0 })
            .collect();
        assert_eq!(told, [true; 3], "{between:?}");
        let wanted = [bob, ann, cid].iter().filter(|peer| between.contains(**peer)).count();
        assert_eq!((changes.marks.len(), changes.complete), (wanted, true), "{between:?}");
    }
    // Whoever is named out of the range does not count, and a limit holds for the range alone.
    let have = HashMap::from([(bob, 0), (cid, 1)]);
    let between = PeerRange { from: Some(cid), to: None };
    let limit = ChangeLimit { messages: 2, ..ALL };
    let changes = store.changes_since(ann, ChangeQuery { have, between, limit }).await.unwrap();
    assert_eq!(changes.messages, all(&*store, ann, cid).await[1..]);
    assert_eq!((changes.marks.len(), changes.complete), (1, true));
}

/// A writer is heard for all that an answer may have overlooked: what was stored before the
/// question is in the answer that says it is complete.
pub async fn complete_means_all_that_was_stored_before<B: Backend>() {
    const PEERS: u128 = 40;
    const ROUNDS: u64 = 25;
    let (_space, store) = fresh::<B>().await;
    let ann = user(0);
    let stored: Arc<Vec<AtomicU64>> = Arc::new((0..PEERS).map(|_| AtomicU64::new(0)).collect());
    let writer = {
        let (store, stored) = (Arc::clone(&store), Arc::clone(&stored));
        tokio::spawn(async move {
            for round in 1..=ROUNDS {
                for (peer, count) in (1..).zip(stored.iter()) {
                    send_many(&*store, user(peer), ann, 1).await;
                    count.store(round, Ordering::SeqCst);
                }
            }
        })
    };
    let mut have = HashMap::new();
    loop {
        let ended = writer.is_finished();
        let before: Vec<_> = stored.iter().map(|count| count.load(Ordering::SeqCst)).collect();
        let query = ChangeQuery::all(have.clone(), ALL);
        let changes = store.changes_since(ann, query).await.unwrap();
        assert!(changes.complete);
        for message in &changes.messages {
            let known = have.entry(message.from).or_insert(0);
            *known += 1;
            assert_eq!(message.seq, *known);
        }
        for (peer, before) in (1..).map(user).zip(before) {
            let has = have.get(&peer).copied().unwrap_or(0);
            assert!(has >= before, "message {before} was stored before, and {has} are known");
        }
        if ended {
            break;
        }
    }
    writer.await.unwrap();
}

pub async fn absurd_claims_are_harmless<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send_many(&*store, bob, ann, 3).await;
    let i64_max = i64::MAX.unsigned_abs();
    for claim in [4, i64_max, i64_max + 1, u64::MAX] {
        let have = HashMap::from([(bob, claim), (user(8), claim), (ann, claim)]);
        let changes = store.changes_since(ann, ChangeQuery::all(have.clone(), ALL)).await.unwrap();
        assert_eq!(changes, Changes { complete: true, ..Changes::default() });
    }
    let limit = ChangeLimit { messages: usize::MAX, bytes: usize::MAX };
    let changes = store.changes_since(ann, ChangeQuery::all(HashMap::new(), limit)).await.unwrap();
    assert_eq!(changes.messages.len(), 3);
}
