//! The plans that the bounds of queries rest on, and a database of an earlier version.

use std::{path::Path, time::Duration};

use rusqlite::Connection;

use super::*;
use crate::store::{ChangedBy, Timestamp};

fn plan(db: &Connection, sql: &str) -> String {
    let mut statement = db.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let lines = statement.raw_query().mapped(|row| row.get::<_, String>(3));
    lines.map(Result::unwrap).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_query_sorts_or_scans_a_table() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open(folder.path(), Duration::from_secs(1)).unwrap();
    let history = format!("SELECT seq FROM messages m {}", queries::OLDEST);
    let changed = format!("SELECT id FROM accounts {}", accounts::CHANGED);
    let newest = accounts::NEWEST;
    for sql in [queries::CONVERSATIONS, sync::BY_PEER, &history, &changed, newest] {
        let plan = plan(&opened.writer, sql);
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{sql}\n{plan}");
    }
    let merged = plan(&opened.writer, queries::CONVERSATIONS);
    assert!(merged.contains("MERGE (UNION ALL)"), "{merged}");
    assert_eq!(merged.matches("=? AND (last_at,").count(), 2, "{merged}");
    let merged = plan(&opened.writer, sync::BY_PEER);
    assert!(merged.contains("MERGE (UNION ALL)"), "{merged}");
    for range in ["first=? AND second>? AND second<?", "second=? AND first>? AND first<?"] {
        assert!(merged.contains(range), "{merged}");
    }
}

#[test]
fn a_retry_is_found_by_its_index() {
    let folder = tempfile::tempdir().unwrap();
    let opened = open::open(folder.path(), Duration::from_secs(1)).unwrap();
    let sql = "SELECT seq FROM messages m JOIN conversations c ON c.id = m.conversation
               WHERE m.sender = ?1 AND m.client_id = ?2";
    let plan = plan(&opened.writer, sql);
    assert!(plan.contains("messages_by_client_id (sender=? AND client_id=?)"), "{plan}");
}

/// A database as the first version left it, with two messages of one conversation.
fn of_the_first_version(folder: &Path) {
    let db = Connection::open(folder.join(open::DATABASE)).unwrap();
    db.execute_batch(schema::MIGRATIONS[0]).unwrap();
    db.execute_batch(&format!(
        "PRAGMA application_id = {}; PRAGMA user_version = 1;
         INSERT INTO conversations (id, first, second, last_seq, last_at)
         VALUES (7, x'{:032x}', x'{:032x}', 2, 20);
         INSERT INTO messages VALUES (7, 1, x'{:032x}', 1, 10, 'a', 'one'),
                                     (7, 2, x'{:032x}', 1, 20, NULL, 'two');",
        schema::APPLICATION_ID,
        1,
        2,
        1,
        2
    ))
    .unwrap();
}

#[tokio::test]
async fn a_database_of_the_first_version_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    of_the_first_version(folder.path());
    let path = folder.path().to_owned();
    let config = config::Store { path, ..config::Store::default() };
    let (ann, bob) = (UserId::from_u128(1), UserId::from_u128(2));
    let new = |id: &str| NewMessage {
        from: ann,
        to: bob,
        content: "new".into(),
        client_id: Some(id.into()),
        at: Timestamp(30),
        changed_by: ChangedBy::of(["words"]),
    };
    // Twice: what is up to date stays so.
    for seq in [3, 4] {
        let store = SqliteStore::open(&config, 10).unwrap();
        let answers = store.append(vec![new("a"), new(&format!("{seq}"))]).await;
        let told: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().message).collect();
        assert_eq!((&*told[0].content, told[0].changed_by.is_empty()), ("one", true), "a retry");
        assert_eq!((told[1].seq, told[1].changed_by.written()), (seq, Some("words")));
        let query = HistoryQuery { limit: 10, ..HistoryQuery::default() };
        let page = store.history(Conversation::between(ann, bob), query).await.unwrap();
        assert_eq!(&*page.messages[1].content, "two");
        let changed = page.messages.iter().filter(|message| !message.changed_by.is_empty());
        assert_eq!(changed.count() as u64, seq - 2);
        store.close().await;
    }
}

#[tokio::test]
async fn a_writer_that_hangs_does_not_turn() {
    let folder = tempfile::tempdir().unwrap();
    let (path, timeout) = (folder.path().to_owned(), Duration::from_millis(100));
    let config = config::Store {
        path,
        timeout: confab_plugin::Duration(timeout),
        ..config::Store::default()
    };
    let store = Arc::new(SqliteStore::open(&config, 10).unwrap());
    store.turned().await;
    let (open, gate) = std::sync::mpsc::channel::<()>();
    let hanging = Arc::clone(&store);
    let change = tokio::spawn(async move {
        let run: Run<std::sync::mpsc::Receiver<()>, ()> = |_, gate| {
            let _ = gate.recv();
            Ok(())
        };
        hanging.change(gate, 1, hanging.deadline(), run).await
    });
    // Until the change may take no longer, it is excused.
    let begun = Instant::now();
    while tokio::time::timeout(Duration::from_millis(300), store.turned()).await.is_ok() {
        assert!(begun.elapsed() < Duration::from_secs(30), "a writer that hangs turns");
    }
    open.send(()).unwrap();
    store.turned().await;
    change.await.unwrap().unwrap_err();
    store.close().await;
}

#[tokio::test]
async fn an_older_backup_is_brought_up_to_date() {
    let folder = tempfile::tempdir().unwrap();
    let [old, file, new] = ["old", "backup", "new"].map(|name| folder.path().join(name));
    std::fs::create_dir(&old).unwrap();
    of_the_first_version(&old);
    let (wait, task) = (Duration::from_secs(1), Arc::default());
    // The backup itself changes nothing: it may be the one before an upgrade.
    let made = backup::backup(&old, &[], &file, false, wait, &task).unwrap();
    assert_eq!((made.schema, made.messages), (1, 2));
    let what = backup::Restore { folder: &new, backup: &file, beside: &[], replace: false, wait };
    let restored = backup::restore(what, &task).unwrap();
    assert_eq!((restored.contents, restored.schema), (made, schema::MIGRATIONS.len() as i64));
    let config = config::Store { path: new, ..config::Store::default() };
    let store = SqliteStore::open(&config, 10).unwrap();
    let (ann, bob) = (UserId::from_u128(1), UserId::from_u128(2));
    let query = HistoryQuery { limit: 10, ..HistoryQuery::default() };
    let page = store.history(Conversation::between(ann, bob), query).await.unwrap();
    assert_eq!(page.messages.len(), 2);
    store.close().await;
}
