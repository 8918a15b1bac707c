//! What is refused, and what `--force` keeps.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

use rusqlite::Connection;

use crate::command::{backup, command, daemon, names, restore};

/// A data folder with one user, whose daemon has stopped.
fn used(data: &Path, user: &str) {
    let mut daemon = daemon(data);
    daemon.http().register(user);
    assert!(daemon.stop().success());
}

fn users(database: &Path) -> Vec<String> {
    let db = Connection::open(database).unwrap();
    let mut names = db.prepare("SELECT username FROM accounts ORDER BY username").unwrap();
    names.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_backup_replaces_nothing_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let [data, file] = ["data", "chat.backup"].map(|name| folder.path().join(name));
    backup(&data, &file, &[]).refused(&["no embedded store in", "data"]);
    assert_eq!(names(folder.path()), [""; 0]);
    used(&data, "ann");

    backup(&data, &file, &[]).done();
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&file, "precious").unwrap();
    backup(&data, &file, &[]).refused(&["is there already", "--force"]);
    assert_eq!(fs::read(&file).unwrap(), b"precious");
    backup(&data, &file, &["--force"]).done();
    assert_eq!(users(&file), ["ann"]);

    for name in ["confab.db", "secret_key", "new"] {
        let inside = data.join(name);
        backup(&data, &inside, &["--force"]).refused(&["is in the data folder itself"]);
    }
    assert_eq!(users(&data.join("confab.db")), ["ann"]);
    backup(&data, &folder.path().join("nowhere/file"), &[]).refused(&["cannot use", "nowhere"]);
    backup(&data, folder.path(), &["--force"]).refused(&["cannot use"]);
    assert_eq!(names(folder.path()), ["chat.backup", "data"]);
}

#[test]
fn a_restoration_keeps_what_was_there() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second, file] = ["a", "b", "chat.backup"].map(|name| folder.path().join(name));
    used(&first, "ann");
    backup(&first, &file, &[]).done();

    let mut running = daemon(&second);
    running.http().register("bob");
    for more in [&[][..], &["--force"]] {
        restore(&second, &file, more).refused(&["another confab uses the data folder"]);
    }
    // Killed, so that its log is still to be moved into the database.
    running.kill();
    let before = fs::read(second.join("confab.db-wal")).unwrap();
    restore(&second, &file, &[]).refused(&["confab.db is there already", "--force"]);
    assert_eq!(fs::read(second.join("confab.db-wal")).unwrap(), before);

    let key = fs::read(second.join("secret_key")).unwrap();
    let done = restore(&second, &file, &["--force"]).done();
    let aside = Path::new(done["aside"].as_str().expect("a folder"));
    assert_eq!(users(&aside.join("confab.db")), ["bob"]);
    assert_eq!(fs::read(aside.join("secret_key")).unwrap(), key);
    let expected = fs::read(first.join("secret_key")).unwrap();
    assert_eq!(fs::read(second.join("secret_key")).unwrap(), expected);
    running.start_again();
    running.http().login("ann");
    running.kill();

    // And back again: what was kept is a backup too.
    restore(&second, &aside.join("confab.db"), &["--force"]).done();
    running.start_again();
    running.http().login("bob");
}

#[test]
fn what_is_no_good_backup_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let [data, file, elsewhere] = ["data", "chat.backup", "new"].map(|n| folder.path().join(n));
    used(&data, "ann");
    backup(&data, &file, &[]).done();
    let good = fs::read(&file).unwrap();
    let refused = |what: &[u8], parts: &[&str]| {
        fs::write(&file, what).unwrap();
        restore(&elsewhere, &file, &[]).refused(parts);
        assert!(!elsewhere.exists(), "{parts:?}");
    };
    refused(b"", &["chat.backup is not a good backup: it is not a database"]);
    refused(&good[..good.len() / 2], &["is not a good backup"]);
    let mut damaged = good.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 2000].fill(0xa5);
    refused(&damaged, &["is not a good backup"]);

    let change = |sql: &str| {
        fs::write(&file, &good).unwrap();
        Connection::open(&file).unwrap().execute_batch(sql).unwrap();
        fs::read(&file).unwrap()
    };
    refused(&change("PRAGMA user_version = 999"), &["schema 999", "run the newer confab"]);
    refused(&change("PRAGMA application_id = 7"), &["belongs to another program"]);
    refused(
        &change(
            "PRAGMA foreign_keys = OFF; INSERT INTO messages (conversation, seq, sender, by_first, at, \
             content) VALUES (99, 1, zeroblob(16), 0, 0, '')",
        ),
        &["a message belongs to no conversation"],
    );
    fs::write(&file, &good).unwrap();
    restore(&elsewhere, &file, &[]).done();
    assert_eq!(users(&elsewhere.join("confab.db")), ["ann"]);
    assert_eq!(names(&elsewhere), ["confab.db", "confab.lock", "secret_key"]);
}

#[test]
fn mongodb_has_its_own_tools() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("chat.backup");
    let key = "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ";
    for (name, tool) in [("backup", "mongodump"), ("restore", "mongorestore")] {
        let mut command = command(folder.path(), &[Path::new(name), &file]);
        command.env("MONGO_URI", "mongodb://127.0.0.1:1").env("SECRET_KEY", key);
        let ended = crate::command::Ended(command.output().unwrap());
        ended.refused(&["MongoDB", tool, "docs/backup.md"]);
    }
}
