//! What the store does while it is open, also when the disk fails.

use super::*;

/// Permissions don't stop the superuser, as whom tests may run; a file in the way stops anybody.
#[tokio::test]
async fn a_full_disk_is_an_outage_that_heals() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let long = "x".repeat(64 * 1024);
    send(&store, "hello", "1").await.unwrap();
    store.limit_pages(1).await.unwrap();

    let batch = vec![message("small", "2"), message(&long, "3"), message("small", "4")];
    let answers = store.append(batch.clone()).await;
    let is_full = |answer: &Result<_, StoreError>| match answer {
        Err(StoreError::Unavailable(why)) => why.contains("full"),
        _ => false,
    };
    assert!(answers.iter().all(is_full), "{answers:?}");
    let ping = store.ping().await;
    assert!(matches!(&ping, Err(StoreError::Unavailable(why)) if why.contains("full")), "{ping:?}");
    assert_eq!(stored(&store).await.len(), 1);
    let listed = store.conversations(BOB, None, 10).await.unwrap().conversations;
    assert_eq!((listed[0].unread, listed[0].last_message.seq), (1, 1));
    let stranger = NewMessage { to: UserId::from_u128(3), ..message(&long, "5") };
    assert!(store.append(vec![stranger]).await[0].is_err());
    assert_eq!(store.conversations(ANN, None, 10).await.unwrap().conversations.len(), 1);

    store.limit_pages(1_000_000).await.unwrap();
    store.ping().await.unwrap();
    let answers = store.append(batch).await;
    assert!(answers.iter().all(|answer| answer.as_ref().unwrap().new));
    let messages = stored(&store).await;
    assert!(messages.len() == 4 && is_gap_free(&messages));
    store.close().await;

    let db = Connection::open(folder.path().join("confab.db")).unwrap();
    let sound: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(sound, "ok");
}

#[tokio::test]
async fn a_locked_database_is_an_outage_that_heals() {
    let folder = tempfile::tempdir().unwrap();
    // The disk may be slow, before the test is about time.
    let store = try_open(config(folder.path())).await.unwrap();
    send(&store, "before", "before").await.unwrap();
    store.close().await;
    let patience = confab_plugin::Duration::from_secs(2);
    let store =
        try_open(config::Store { timeout: patience, ..config(folder.path()) }).await.unwrap();
    let shell = Connection::open(folder.path().join("confab.db")).unwrap();
    shell.execute_batch("BEGIN IMMEDIATE").unwrap();

    let (first, second) = tokio::join!(send(&store, "a", "a"), send(&store, "b", "b"));
    for answer in [first, second] {
        assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{answer:?}");
    }
    assert!(store.ping().await.is_err());
    // Who only reads does not notice.
    assert_eq!(stored(&store).await.len(), 1);

    shell.execute_batch("ROLLBACK").unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while let Err(error) = send(&store, "after", "after").await {
        assert!(Instant::now() < deadline, "{error}");
    }
    store.ping().await.unwrap();
    let messages = stored(&store).await;
    assert!(is_gap_free(&messages));
    assert_eq!(messages.iter().filter(|m| &*m.content == "after").count(), 1);
    store.close().await;
}

/// The files as they are when an acknowledgement arrives, which is what a crash would leave.
#[tokio::test]
async fn what_was_acknowledged_is_in_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for number in 0..20 {
        let text = format!("message {number}");
        send(&store, &text, &text).await.unwrap();
        let copy = tempfile::tempdir().unwrap();
        for name in ["confab.db", "confab.db-wal"] {
            fs::copy(folder.path().join(name), copy.path().join(name)).unwrap();
        }
        let crashed = open(copy.path()).await;
        assert_eq!(stored(&crashed).await, stored(&store).await);
        assert_eq!(stored(&crashed).await.len(), number + 1);
        crashed.close().await;
    }
    store.close().await;
}

#[tokio::test]
async fn a_batch_may_be_larger_than_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = try_open(config::Store { batch: 3, readers: 1, ..config(folder.path()) });
    let store = std::sync::Arc::new(store.await.unwrap());
    let tasks: Vec<_> = (0..20)
        .map(|task| {
            let store = store.clone();
            let batch = (0..10).map(|n| message("hi", &format!("{task}/{}", n / 2))).collect();
            tokio::spawn(async move { store.append(batch).await })
        })
        .collect();
    for task in tasks {
        let answers = task.await.unwrap();
        let new: Vec<_> = answers.into_iter().map(|answer| answer.unwrap().new).collect();
        assert_eq!(new, [true, false].repeat(5));
    }
    let messages = stored(&store).await;
    assert!(messages.len() == 100 && is_gap_free(&messages));
    store.close().await;
}

/// Its header counts how often the log has started over.
#[tokio::test]
async fn the_log_starts_over() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let long: String = "x".repeat(64 * 1024);
    let deadline = Instant::now() + Duration::from_secs(120);
    let starts = || {
        let header = fs::read(folder.path().join("confab.db-wal")).unwrap();
        u32::from_be_bytes(header[12..16].try_into().unwrap())
    };
    let (mut count, mut first) = (0, None);
    loop {
        let batch = (count..count + 32).map(|n| message(&long, &n.to_string())).collect();
        assert!(store.append(batch).await.iter().all(Result::is_ok));
        count += 32;
        if *first.get_or_insert_with(starts) + 2 <= starts() {
            break;
        }
        assert!(Instant::now() < deadline, "{count} messages, and the log only grows");
    }
    let messages = stored(&store).await;
    assert!(messages.len() == count && is_gap_free(&messages));
    store.close().await;
}

#[tokio::test]
async fn a_taken_name_does_not_fail_its_neighbours() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let account = |id, name: &str| Account {
        id,
        username: name.parse().unwrap(),
        display_name: None,
        password_hash: "hash".into(),
        created_at: Timestamp(0),
        standing: Standing::default(),
    };
    store.create_account(account(ANN, "ann")).await.unwrap();
    // Polled together, they go into one group.
    let (taken, known_id, message, good) = tokio::join!(
        store.create_account(account(BOB, "ann")),
        store.create_account(account(ANN, "another")),
        send(&store, "hello", "1"),
        store.create_account(account(BOB, "bob")),
    );
    assert_eq!(taken, Err(StoreError::UsernameTaken));
    assert!(matches!(known_id, Err(StoreError::Unavailable(_))), "{known_id:?}");
    assert_eq!(message.unwrap().seq, 1);
    assert_eq!(good, Ok(()));
    store.close().await;
}
