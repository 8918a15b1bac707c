//! Which entries changed a message: kept with it, and told by whoever reads it.

use std::collections::HashMap;

use confab::store::{
    Appended, ChangeLimit, ChangeQuery, ChangedBy, Conversation, HistoryQuery, NewMessage,
};

use super::{Backend, all, fresh, message, message_id, send, user};

const ALL: ChangeLimit = ChangeLimit { messages: 1000, bytes: usize::MAX };

/// As many labels as are kept at most, each as long as it may be.
fn most() -> ChangedBy {
    let labels: Vec<String> = (0..ChangedBy::MOST).map(|n| format!("{n:_>64}")).collect();
    let most = ChangedBy::of(labels.iter().map(String::as_str));
    assert_eq!(most.iter().count(), ChangedBy::MOST);
    most
}

pub async fn what_changed_a_message_is_told_by_every_reader<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let given = [
        ChangedBy::default(),
        ChangedBy::of(["words"]),
        ChangedBy::of(["no-links", "a.b_c-9", "no-links"]),
        most(),
        ChangedBy::default(),
        ChangedBy::of(["last"]),
    ];
    let batch: Vec<_> = given
        .iter()
        .map(|given| NewMessage { changed_by: given.clone(), ..message(ann, bob, "hi") })
        .collect();
    let told: Vec<_> = store.append(batch).await.into_iter().map(|a| a.unwrap().message).collect();
    assert_eq!(told.iter().map(|one| one.changed_by.clone()).collect::<Vec<_>>(), given);
    store.close().await;

    let store = space.open().await;
    assert_eq!(all(&*store, ann, bob).await, told);
    let after = HistoryQuery { after: Some(1), before: None, limit: 2 };
    let page = store.history(Conversation::between(ann, bob), after).await.unwrap();
    assert_eq!(page.messages, told[1..3]);
    let listed = store.conversations(bob, None, 10).await.unwrap().conversations;
    assert_eq!(listed[0].last_message, told[5]);
    let changes =
        store.changes_since(bob, ChangeQuery::all(HashMap::from([(ann, 2)]), ALL)).await.unwrap();
    assert_eq!(changes.messages, told[2..]);
}

pub async fn a_retry_has_what_changed_the_original<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let (ann, bob) = (user(1), user(2));
    let new = |id: &str, by: &[&str]| NewMessage {
        changed_by: ChangedBy::of(by.iter().copied()),
        ..message_id(ann, bob, "hi", id)
    };
    let changed = send(&*store, new("a", &["words", "no-links"])).await.unwrap().message;
    let plain = send(&*store, new("b", &[])).await.unwrap().message;
    // By now the chain is another one.
    let retries = [new("a", &[]), new("b", &["words"]), new("a", &["other"])];
    let originals = [&changed, &plain, &changed].map(|one| {
        let answer = Appended { message: one.clone(), new: false };
        Ok(answer)
    });
    assert_eq!(store.append(retries.to_vec()).await, originals);
    store.close().await;
    let store = space.open().await;
    assert_eq!(store.append(retries.to_vec()).await, originals);
    let answers = store.append(vec![new("c", &["first"]), new("c", &["second"])]).await;
    for answer in answers {
        assert_eq!(answer.unwrap().message.changed_by, ChangedBy::of(["first"]));
    }
    assert_eq!(all(&*store, ann, bob).await[..2], [changed, plain]);
}
