//! The plans that the bounds of queries rest on.

use std::time::Duration;

use rusqlite::Connection;

use super::{open, queries};

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
    for sql in [queries::CONVERSATIONS, &history] {
        let plan = plan(&opened.writer, sql);
        assert!(!plan.contains("TEMP B-TREE") && !plan.contains("SCAN"), "{sql}\n{plan}");
    }
    let merged = plan(&opened.writer, queries::CONVERSATIONS);
    assert!(merged.contains("MERGE (UNION ALL)"), "{merged}");
    assert_eq!(merged.matches("=? AND (last_at,").count(), 2, "{merged}");
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
