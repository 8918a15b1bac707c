//! Walks over what stores keep, item by item, in their order.

use std::collections::VecDeque;

use futures_util::{Stream, StreamExt, stream};

use super::{ACCOUNTS, CONVERSATIONS};
use crate::store::{
    Account, Conversation, Message, RefreshableLogin, StoreError,
    transfer::{Export, Messages},
};

type Item<T> = Result<T, StoreError>;

/// All accounts, ascending by id.
pub(super) fn accounts(store: &dyn Export) -> impl Stream<Item = Item<Account>> {
    items(move |after: Option<Account>| async move {
        store.accounts(after.map(|account| account.id), ACCOUNTS).await
    })
}

/// All conversations, ascending.
pub(super) fn conversations(store: &dyn Export) -> impl Stream<Item = Item<Conversation>> {
    items(move |after| store.conversations(after, CONVERSATIONS))
}

/// All logins, ascending by id.
pub(super) fn logins(store: &dyn Export) -> impl Stream<Item = Item<RefreshableLogin>> {
    items(move |after: Option<RefreshableLogin>| async move {
        store.logins(after.map(|login| login.id), ACCOUNTS).await
    })
}

/// The items of pages, each of which begins after the last item of the one before it.
fn items<T: Clone, F>(page: impl Fn(Option<T>) -> F) -> impl Stream<Item = Item<T>>
where
    F: Future<Output = Item<Vec<T>>>,
{
    let start = (page, None, VecDeque::new(), false);
    stream::try_unfold(start, |(page, mut last, mut waiting, ended)| async move {
        if waiting.is_empty() && !ended {
            waiting = page(last.clone()).await?.into();
        }
        let ended = waiting.is_empty();
        let next: Option<T> = waiting.pop_front();
        if next.is_some() {
            last.clone_from(&next);
        }
        Ok(next.map(|item| (item, (page, last, waiting, ended))))
    })
}

/// What two ascending streams hold, in one: each item with where it is.
pub(super) fn merge<K: Ord + Copy, T>(
    left: impl Stream<Item = Item<T>>,
    right: impl Stream<Item = Item<T>>,
    key: impl Fn(&T) -> K,
) -> impl Stream<Item = Item<(Option<T>, Option<T>)>> {
    let start = (Box::pin(left.peekable()), Box::pin(right.peekable()), key);
    stream::try_unfold(start, |(mut left, mut right, key)| async move {
        let of = |item: Option<&Item<T>>| item.and_then(|item| item.as_ref().ok()).map(&key);
        let failed = |item: Option<&Item<T>>| item.is_some_and(Result::is_err);
        let (l, r) = (left.as_mut().peek().await, right.as_mut().peek().await);
        let broken = (failed(l), failed(r));
        let (l, r) = (of(l), of(r));
        let take = match (l, r) {
            _ if broken.0 || broken.1 => broken,
            (Some(l), Some(r)) => (l <= r, r <= l),
            (l, r) => (l.is_some(), r.is_some()),
        };
        let l = if take.0 { left.next().await.transpose()? } else { None };
        let r = if take.1 { right.next().await.transpose()? } else { None };
        let some = l.is_some() || r.is_some();
        Ok(some.then_some(((l, r), (left, right, key))))
    })
}

/// The messages of a conversation, one by one.
pub(super) struct Reader {
    messages: Box<dyn Messages>,
    after: u64,
    waiting: VecDeque<Message>,
    ended: bool,
}

impl Reader {
    pub(super) fn new(messages: Box<dyn Messages>) -> Self {
        Self { messages, after: 0, waiting: VecDeque::new(), ended: false }
    }

    /// The last one that was read; 0 before the first.
    pub(super) fn seq(&self) -> u64 {
        self.after
    }

    pub(super) async fn next(&mut self) -> Item<Option<Message>> {
        if self.waiting.is_empty() && !self.ended {
            self.waiting = self.messages.after(self.after).await?.into();
            self.ended = self.waiting.is_empty();
        }
        let next = self.waiting.pop_front();
        self.after = next.as_ref().map_or(self.after, |message| message.seq);
        Ok(next)
    }

    /// All that are left of what was read at once.
    pub(super) async fn page(&mut self) -> Item<Vec<Message>> {
        let Some(first) = self.next().await? else {
            return Ok(Vec::new());
        };
        let mut page = vec![first];
        page.extend(std::mem::take(&mut self.waiting));
        self.after = page.last().map_or(self.after, |message| message.seq);
        Ok(page)
    }
}
