//! Reading a conversation page by page.

use confab::store::{Conversation, HistoryPage, HistoryQuery};

use super::{Backend, all, fresh, send_many, user};

pub async fn every_page_is_as_asked<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    send_many(&*store, user(3), user(1), 3).await;
    send_many(&*store, ann, bob, 10).await;
    send_many(&*store, user(3), user(2), 3).await;
    let stored = all(&*store, ann, bob).await;
    assert_eq!(stored.len(), 10);
    let i64_max = i64::MAX.unsigned_abs();
    let bounds = [0, 1, 2, 5, 9, 10, 11, i64_max - 1, i64_max, i64_max + 1, u64::MAX];
    let bounds: Vec<_> = std::iter::once(None).chain(bounds.map(Some)).collect();
    for &before in &bounds {
        for &after in &bounds {
            for limit in [0, 1, 2, 9, 10, 11, 1000, usize::MAX] {
                let query = HistoryQuery { before, after, limit };
                let mut wanted: Vec<_> = stored
                    .iter()
                    .filter(|m| before.is_none_or(|b| m.seq < b) && after.is_none_or(|a| m.seq > a))
                    .cloned()
                    .collect();
                let more = wanted.len() > limit;
                let surplus = wanted.len().saturating_sub(limit);
                if after.is_some() {
                    wanted.truncate(limit);
                } else {
                    wanted.drain(..surplus);
                }
                let page = store.history(Conversation::between(bob, ann), query).await.unwrap();
                assert_eq!(page, HistoryPage { messages: wanted, more }, "{query:?}");
            }
        }
    }
}

pub async fn an_unknown_conversation_is_empty<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    send_many(&*store, user(1), user(2), 1).await;
    for (a, b) in [(1, 1), (1, 3), (3, 4)] {
        let query = HistoryQuery { limit: 10, ..HistoryQuery::default() };
        let page = store.history(Conversation::between(user(a), user(b)), query).await.unwrap();
        assert_eq!(page, HistoryPage::default());
    }
}
