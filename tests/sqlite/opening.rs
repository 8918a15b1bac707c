//! What opening a folder makes, and what it refuses.

use super::*;

/// The one line that says why a folder can't be opened.
async fn refusal(folder: &Path) -> String {
    let Err(error) = try_open(config(folder)).await else { panic!("it was opened") };
    let line = error.to_string();
    assert!(!line.contains('\n'), "{line}");
    line
}

/// A folder, the path of its database, and a store with one message that was closed again.
async fn used_folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    send(&store, "hello", "first").await.unwrap();
    store.close().await;
    let database = folder.path().join("confab.db");
    (folder, database)
}

#[tokio::test]
async fn the_folder_and_its_files_are_the_owners_alone() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("var/data");
    let store = open(&folder).await;
    send(&store, "hello", "1").await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    for name in ["confab.db", "confab.db-wal", "confab.db-shm", "confab.lock"] {
        assert_eq!(mode(&folder.join(name)), 0o600, "{name}");
    }
    store.close().await;
    // All is in the one file then.
    assert!(!folder.join("confab.db-wal").exists());
}

#[tokio::test]
async fn a_newer_schema_is_refused() {
    let (folder, database) = used_folder().await;
    let db = Connection::open(&database).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    db.close().unwrap();
    let line = refusal(folder.path()).await;
    assert!(line.contains("schema 99") && line.contains("confab.db"), "{line}");
    assert!(line.contains("run the newer confab"), "{line}");
}

#[tokio::test]
async fn a_file_of_garbage_is_refused_and_left_alone() {
    for garbage in ["not a database ".repeat(1000), "x".to_owned(), "\0".repeat(8192)] {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("confab.db");
        fs::write(&database, &garbage).unwrap();
        let line = refusal(folder.path()).await;
        assert!(line.contains("is damaged") && line.contains("confab.db"), "{line}");
        assert!(line.contains("restore it from a backup"), "{line}");
        assert_eq!(fs::read_to_string(&database).unwrap(), garbage);
    }
}

#[tokio::test]
async fn a_damaged_database_is_refused() {
    // Cut off.
    let (folder, database) = used_folder().await;
    let bytes = fs::read(&database).unwrap();
    fs::write(&database, &bytes[..bytes.len() / 2]).unwrap();
    let line = refusal(folder.path()).await;
    assert!(line.contains("is damaged"), "{line}");
    // The schema's page overwritten behind the header.
    let mut overwritten = bytes.clone();
    overwritten[100..4096].fill(0xa5);
    fs::write(&database, &overwritten).unwrap();
    let line = refusal(folder.path()).await;
    assert!(line.contains("is damaged"), "{line}");
    // A table is missing.
    fs::write(&database, &bytes).unwrap();
    let db = Connection::open(&database).unwrap();
    db.execute_batch("DROP TABLE messages").unwrap();
    db.close().unwrap();
    let line = refusal(folder.path()).await;
    assert!(line.contains("is damaged") && line.contains("messages"), "{line}");
    // As it was.
    fs::write(&database, &bytes).unwrap();
    let store = open(folder.path()).await;
    assert_eq!(stored(&store).await.len(), 1);
    store.close().await;
}

#[tokio::test]
async fn another_programs_database_is_refused_and_left_alone() {
    for sql in ["CREATE TABLE bookmarks (url TEXT)", "PRAGMA application_id = 7"] {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("confab.db");
        let db = Connection::open(&database).unwrap();
        db.execute_batch(sql).unwrap();
        db.close().unwrap();
        let before = fs::read(&database).unwrap();
        let line = refusal(folder.path()).await;
        assert!(line.contains("belongs to another program"), "{line}");
        assert_eq!(fs::read(&database).unwrap(), before);
    }
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_refused() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, "").unwrap();
    for folder in [file.clone(), file.join("below"), file.join("far/below")] {
        let line = refusal(&folder).await;
        assert!(line.contains("cannot use the data folder"), "{line}");
        assert!(line.contains(folder.to_str().unwrap()), "{line}");
        assert!(line.contains("store.path"), "{line}");
    }
    let folder = parent.path().join("data");
    fs::create_dir_all(folder.join("confab.db")).unwrap();
    let line = refusal(&folder).await;
    assert!(line.contains("cannot use the database"), "{line}");
}

#[tokio::test]
async fn a_folder_serves_one_store_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let line = refusal(folder.path()).await;
    assert!(line.contains("another confab uses the data folder"), "{line}");
    send(&store, "hello", "1").await.unwrap();
    store.close().await;
    let store = open(folder.path()).await;
    // One that is dropped lets go too, a moment later.
    drop(store);
    let deadline = Instant::now() + Duration::from_secs(30);
    let store = loop {
        match try_open(config(folder.path())).await {
            Ok(store) => break store,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
    };
    assert_eq!(stored(&store).await.len(), 1);
    store.close().await;
}
