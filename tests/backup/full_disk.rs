//! A disk without room for the backup.

use std::path::Path;

use crate::{
    command::{backup, daemon, names, restore},
    support::Client,
};

/// A backup cannot grow beyond this in a folder that a limit is set for.
const LIMIT: &str = "128";

/// Fills the store with about a mebibyte.
async fn fill(data: &Path) {
    let daemon = daemon(data);
    let mut ann = daemon.client("ann").await;
    let bob = daemon.http().register("bob");
    for _ in 0..300 {
        ann.say(&bob.id, &"x".repeat(3000)).await;
        ann.next_event("message").await;
    }
}

#[tokio::test]
async fn a_backup_that_does_not_fit_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let [data, home] = ["data", "home"].map(|name| folder.path().join(name));
    fill(&data).await;
    std::fs::create_dir(&home).unwrap();
    let file = home.join("chat.backup");
    // A limit on the size of files fails the same calls as a full disk, and needs no rights.
    let script = format!(
        "ulimit -f {LIMIT}; exec '{}' --data '{}' backup '{}'",
        env!("CARGO_BIN_EXE_confab"),
        data.display(),
        file.display()
    );
    let ended = std::process::Command::new("sh").args(["-c", &script]).env_clear().output();
    let ended = ended.unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(
        said.contains("cannot write") && said.contains("room for the whole database"),
        "{said}"
    );
    assert_eq!(names(&home), [""; 0]);

    let made = backup(&data, &file, &[]).done();
    assert_eq!(made["messages"], 300);

    // Nor does a restoration that does not fit change anything.
    let elsewhere = folder.path().join("elsewhere");
    let script = format!(
        "ulimit -f {LIMIT}; exec '{}' --data '{}' restore '{}'",
        env!("CARGO_BIN_EXE_confab"),
        elsewhere.display(),
        file.display()
    );
    let ended = std::process::Command::new("sh").args(["-c", &script]).env_clear().output();
    assert_eq!(ended.unwrap().status.code(), Some(1));
    assert_eq!(names(&elsewhere), ["confab.lock"]);
    restore(&elsewhere, &file, &[]).done();
    let copy = daemon(&elsewhere);
    let ann = copy.http().login("ann");
    Client::connect(copy.address(), &ann).await.close().await;
}
