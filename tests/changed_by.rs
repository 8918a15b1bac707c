//! A message says which entries of the chain changed it, wherever it is told.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use confab::{
    config,
    store::{ChangedBy, NewMessage, Store, Timestamp, sqlite::SqliteStore},
};
use serde_json::{Value, json};
use support::{Client, Daemon, client::Account};

/// Writes three messages of `from` into the store of a stopped daemon, as chains of the past
/// left them.
async fn fill(daemon: &Daemon, from: &Account, to: &Account) {
    let path = daemon.folder().join("data");
    let config = config::Store { path, ..config::Store::default() };
    let store = SqliteStore::open(&config, 1000).expect("opened");
    let labels: [&[&str]; 3] = [&["words"], &[], &["words", "no-links"]];
    let messages = labels.iter().zip(1..).map(|(labels, n)| NewMessage {
        from: from.id.parse().expect("an id"),
        to: to.id.parse().expect("an id"),
        content: format!("hello {n}").into(),
        client_id: Some(format!("m{n}").into()),
        at: Timestamp::now(),
        changed_by: ChangedBy::of(labels.iter().copied()),
    });
    assert!(store.append(messages.collect()).await.iter().all(Result::is_ok));
    store.close().await;
}

/// What a message says; `None` if it says nothing.
fn told(messages: &Value) -> Vec<Option<&Value>> {
    messages.as_array().expect("a list").iter().map(|one| one.get("changed_by")).collect()
}

#[tokio::test]
async fn history_conversations_sync_and_a_retry_tell_it() {
    let mut daemon = Daemon::start("");
    let (ann, bob) = (daemon.http().register("ann"), daemon.http().register("bob"));
    assert!(daemon.stop().success());
    fill(&daemon, &ann, &bob).await;
    daemon.start_again();

    let (one, both) = (json!(["words"]), json!(["words", "no-links"]));
    let wanted = [Some(&one), None, Some(&both)];
    let http = daemon.http();
    let history = http.get_json("/conversations/@ann/messages", &bob.token);
    assert_eq!(told(&history["messages"]), wanted);
    let list = http.get_json("/conversations", &bob.token);
    assert_eq!(list["conversations"][0]["last_message"]["changed_by"], both);

    let mut session = Client::connect(daemon.address(), &bob).await;
    session.send(json!({"event":"sync","have":{"@ann":0}})).await;
    let sync = session.next_event("sync").await;
    assert_eq!(told(&sync["messages"]), wanted);

    let mut session = Client::connect(daemon.address(), &ann).await;
    for (id, wanted) in ["m1", "m2", "m3"].into_iter().zip(wanted) {
        session.send(json!({"event":"message","to":"@bob","content":"again","id":id})).await;
        let echo = session.next_event("message").await;
        assert_eq!((&echo["id"], echo.get("changed_by")), (&json!(id), wanted));
    }
    // And one that nothing changes.
    session.say("@bob", "hello").await;
    assert_eq!(session.next_event("message").await.get("changed_by"), None);
}

#[test]
fn the_description_has_it_as_a_list_that_may_be_missing() {
    let daemon = Daemon::start("");
    let (status, text) = daemon.http().get("/openapi.json", None);
    assert_eq!(status, 200);
    let description: Value = serde_json::from_str(&text).expect("JSON");
    let message = &description["components"]["schemas"]["Message"];
    let field = &message["properties"]["changed_by"];
    assert_eq!((&field["type"], &field["items"]["type"]), (&json!("array"), &json!("string")));
    let required = message["required"].as_array().expect("a list");
    assert!(required.contains(&json!("at")) && !required.contains(&json!("changed_by")));
}
