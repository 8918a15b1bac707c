//! A backup that dies, at any moment, leaves no file of its name.

use std::{
    path::{Path, PathBuf},
    process::Child,
};

use confab::{
    config,
    store::{ChangedBy, NewMessage, Store as _, Timestamp, sqlite::SqliteStore},
};
use confab_plugin::UserId;

use crate::{
    command::{Ended, backup, command, names},
    support::wait::DEADLINE,
};

/// Long enough to be met at work: about 40 MiB.
const MESSAGES: u64 = 10_000;

async fn fill(data: &Path) {
    let config = config::Store { path: data.to_owned(), ..config::Store::default() };
    let open = move || SqliteStore::open(&config, 100).unwrap();
    let store = tokio::task::spawn_blocking(open).await.unwrap();
    let message = |number: u64| NewMessage {
        from: UserId::from_u128(1),
        to: UserId::from_u128(2),
        content: format!("{number} ").repeat(600).into(),
        client_id: Some(format!("{number}").into()),
        at: Timestamp(1_750_000_000_000),
        changed_by: ChangedBy::default(),
    };
    for answer in store.append((0..MESSAGES).map(message).collect()).await {
        answer.unwrap();
    }
    store.close().await;
}

/// The draft of a backup in this folder.
fn draft(folder: &Path) -> Option<PathBuf> {
    let is_draft = |name: &String| name.ends_with(".partial");
    names(folder).into_iter().find(is_draft).map(|name| folder.join(name))
}

/// Starts a backup, and waits until it has written so many bytes.
fn met_at_work(data: &Path, file: &Path, bytes: u64) -> (Child, PathBuf) {
    let mut child = command(data, &[Path::new("backup"), file]).spawn().unwrap();
    let began = std::time::Instant::now();
    loop {
        let draft = draft(file.parent().unwrap());
        let written = |path: &PathBuf| std::fs::metadata(path).is_ok_and(|it| it.len() >= bytes);
        if let Some(draft) = draft.filter(written) {
            return (child, draft);
        }
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be met");
        assert!(began.elapsed() < DEADLINE);
    }
}

fn send(child: &Child, signal: &str) {
    let id = child.id().to_string();
    let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn no_file_is_left_by_a_backup_that_dies() {
    let folder = tempfile::tempdir().unwrap();
    let (data, home) = (folder.path().join("data"), folder.path().join("home"));
    fill(&data).await;
    std::fs::create_dir(&home).unwrap();
    let file = home.join("chat.backup");
    for bytes in [0, 1, 20 << 20] {
        let (mut child, draft) = met_at_work(&data, &file, bytes);
        send(&child, "KILL");
        assert_eq!(child.wait().unwrap().code(), None);
        assert!(!file.exists(), "killed at {bytes} bytes");
        // The next backups remove it once it is an hour old.
        std::fs::remove_file(&draft).unwrap();
        let _ = std::fs::remove_file(draft.with_extension("partial-journal"));
    }
    for signal in ["TERM", "INT"] {
        let (child, _) = met_at_work(&data, &file, 1);
        send(&child, signal);
        let ended = Ended(child.wait_with_output().unwrap());
        ended.refused(&["interrupted; nothing was changed"]);
        assert_eq!(names(&home), [""; 0], "after {signal}");
    }
    // What is there already is replaced by what is whole, or not at all.
    std::fs::write(&file, "of yesterday").unwrap();
    let mut child = command(&data, &[Path::new("backup"), Path::new("--force"), &file]);
    let mut child = child.spawn().unwrap();
    while draft(&home).is_none() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it could be met");
    }
    send(&child, "KILL");
    child.wait().unwrap();
    assert_eq!(std::fs::read(&file).unwrap(), b"of yesterday");
    let made = backup(&data, &file, &["--force"]).done();
    assert_eq!(made["messages"], MESSAGES, "{made}");
}
