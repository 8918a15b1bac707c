//! The list of a user's conversations.

use confab::store::{ConversationSummary, NewMessage, Store};
use confab_plugin::UserId;

use super::{Backend, UNREAD, all, at, fresh, message, see, send, send_many, user};

/// Every page of a user's list, one after the other.
pub async fn listed(store: &dyn Store, user: UserId, limit: usize) -> Vec<ConversationSummary> {
    let (mut list, mut cursor) = (Vec::new(), None);
    loop {
        let page = store.conversations(user, cursor, limit).await.unwrap();
        assert!(page.conversations.len() <= limit);
        list.extend(page.conversations);
        if let Some(next) = page.next {
            assert!(list.len().is_multiple_of(limit), "a page before the last is full");
            let last = list.last().unwrap();
            assert_eq!((next.at, next.peer), (last.last_message.at, last.peer));
            cursor = Some(next);
        } else {
            return list;
        }
    }
}

fn peers(list: &[ConversationSummary]) -> Vec<UserId> {
    list.iter().map(|conversation| conversation.peer).collect()
}

/// A message from one user to another, some milliseconds after noon.
async fn send_at(store: &dyn Store, from: u128, to: u128, millis: i64) {
    let new = NewMessage { at: at(millis), ..message(user(from), user(to), "hi") };
    send(store, new).await.unwrap();
}

pub async fn the_newest_come_first_page_by_page<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    // User 10 is the larger of some pairs and the smaller of others, sends some and gets some.
    let order = [12, 3, 17, 10, 8, 20, 1, 14, 5];
    for (millis, peer) in (0..).zip(order) {
        let (from, to) = if millis % 2 == 0 { (10, peer) } else { (peer, 10) };
        send_at(&*store, from, to, millis).await;
    }
    let wanted: Vec<_> = order.iter().rev().map(|peer| user(*peer)).collect();
    for limit in [1, 2, 4, 8, 9, 10, 1000, usize::MAX] {
        let list = listed(&*store, user(10), limit).await;
        assert_eq!(peers(&list), wanted, "limit {limit}");
    }
    for conversation in listed(&*store, user(10), 100).await {
        let newest = all(&*store, user(10), conversation.peer).await.pop().unwrap();
        assert_eq!(conversation.last_message, newest);
    }
}

pub async fn ties_in_time_are_paged_by_peer<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    for peer in [4, 9, 1, 7, 5, 2, 8] {
        send_at(&*store, peer, 5, 0).await;
    }
    let wanted = [9, 8, 7, 5, 4, 2, 1].map(user);
    for limit in [1, 2, 3, 6, 7, 8] {
        assert_eq!(peers(&listed(&*store, user(5), limit).await), wanted, "limit {limit}");
    }
}

pub async fn a_new_message_moves_a_conversation_up<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    for (millis, peer) in [(1, 2), (2, 3), (3, 4)] {
        send_at(&*store, 1, peer, millis).await;
    }
    assert_eq!(peers(&listed(&*store, user(1), 10).await), [4, 3, 2].map(user));
    send_at(&*store, 2, 1, 4).await;
    assert_eq!(peers(&listed(&*store, user(1), 10).await), [2, 4, 3].map(user));
    // A late clock does not move a conversation down.
    send_at(&*store, 1, 2, -1000).await;
    assert_eq!(peers(&listed(&*store, user(1), 10).await), [2, 4, 3].map(user));
}

async fn unread(store: &dyn Store, reader: u128) -> u64 {
    let list = listed(store, user(reader), 10).await;
    assert_eq!(list.len(), 1);
    list[0].unread
}

pub async fn unread_messages_are_counted<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    // 1 2 by ann, 3 4 5 by bob, 6 by ann, 7 by bob.
    send_many(&*store, ann, bob, 2).await;
    assert_eq!((unread(&*store, 1).await, unread(&*store, 2).await), (0, 2));
    send_many(&*store, bob, ann, 3).await;
    send_many(&*store, ann, bob, 1).await;
    send_many(&*store, bob, ann, 1).await;
    assert_eq!((unread(&*store, 1).await, unread(&*store, 2).await), (4, 3));
    for (upto, left) in [(1, 4), (3, 3), (4, 2), (6, 1), (7, 0)] {
        see(&*store, ann, bob, Some(upto)).await;
        assert_eq!(unread(&*store, 1).await, left, "up to {upto}");
    }
    for (upto, left) in [(1, 2), (5, 1), (6, 0)] {
        see(&*store, bob, ann, Some(upto)).await;
        assert_eq!(unread(&*store, 2).await, left, "up to {upto}");
    }
    send_many(&*store, bob, ann, 1).await;
    assert_eq!((unread(&*store, 1).await, unread(&*store, 2).await), (1, 0));
}

pub async fn unread_messages_are_counted_up_to_a_bound<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let bound = usize::try_from(UNREAD).unwrap();
    send_many(&*store, ann, bob, bound).await;
    assert_eq!(unread(&*store, 2).await, UNREAD);
    send_many(&*store, bob, ann, 100).await;
    send_many(&*store, ann, bob, 10).await;
    assert_eq!((unread(&*store, 1).await, unread(&*store, 2).await), (UNREAD, UNREAD));
    see(&*store, bob, ann, Some(UNREAD + 108)).await;
    assert_eq!((unread(&*store, 1).await, unread(&*store, 2).await), (UNREAD, 2));
}

pub async fn nobody_else_is_listed<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    send_at(&*store, 1, 2, 0).await;
    send_at(&*store, 3, 4, 0).await;
    assert_eq!(peers(&listed(&*store, user(1), 10).await), [user(2)]);
    assert_eq!(peers(&listed(&*store, user(9), 10).await), []);
}
