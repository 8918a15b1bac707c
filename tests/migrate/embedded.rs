//! From the embedded store to MongoDB.

use std::time::{Duration, Instant};

use confab::{config::MongoLayout, store::Store as _};
use mongodb::bson::{Document, doc};

use super::{
    operator::{Ended, Operator},
    world::{World, embedded, login},
};

const DEADLINE: Duration = Duration::from_secs(120);

/// How many messages to migrate: `CONFAB_MIGRATE_MESSAGES`, else 5,000.
fn messages() -> usize {
    let number = std::env::var("CONFAB_MIGRATE_MESSAGES");
    number.map_or(5000, |number| number.parse().expect("CONFAB_MIGRATE_MESSAGES is a number"))
}

/// Migrates, interrupted once by a signal when some conversations have begun, and goes on.
async fn interrupted_and_resumed(layout: MongoLayout, signal: &str) {
    let operator = Operator::new(layout, 2);
    let world = World::fill(&operator.data(), 50, messages()).await;
    let database = operator.target.database().await;
    let conversations = database.collection::<Document>("conversations");

    let mut running = operator.start();
    let began = Instant::now();
    while conversations.count_documents(doc! {}).await.unwrap() < 10 {
        assert!(began.elapsed() < DEADLINE);
        assert!(running.try_wait().unwrap().is_none(), "it ended early");
    }
    let id = running.id().to_string();
    let sent = std::process::Command::new("kill").args([&format!("-{signal}"), &id]).status();
    assert!(sent.unwrap().success());
    let ended = Ended(running.wait_with_output().unwrap());
    if signal == "INT" {
        ended.expect(1, &["interrupted; the same command goes on from here"]);
    } else {
        assert_eq!(ended.0.status.code(), None);
    }
    let before = began.elapsed();
    let moved = operator.migrate(&["--dry-run"]);
    moved.expect(0, &["would add 0 accounts"]);
    assert!(!moved.stdout().contains(" and 0 messages"), "{}", moved.stdout());

    let again = Instant::now();
    let resumed = operator.migrate(&[]);
    eprintln!("{before:?} before the interruption, {:?} after", again.elapsed());
    eprintln!("{}{}", resumed.stdout(), resumed.stderr());
    resumed.expect_equal(&world.rows());
    let now: u64 = resumed.row("messages")[2].parse().unwrap();
    assert!(0 < now && now < world.messages as u64, "{}", resumed.stdout());

    let (source, target) = (embedded(&operator.data()), operator.open_target().await);
    world.assert_same(&source, &target).await;
    source.close().await;

    // Once more, there is nothing to do; and nothing is done twice.
    let idle = operator.migrate(&["--from", operator.data().to_str().unwrap()]);
    idle.expect_equal(&world.rows());
    for what in ["accounts", "conversations", "messages", "read marks", "logins"] {
        assert_eq!(idle.row(what)[2], "0", "{}", idle.stdout());
    }
    assert_eq!(idle.row("checksum"), resumed.row("checksum"));
    world.assert_goes_on(&target).await;
    target.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_resumed_per_pair() {
    interrupted_and_resumed(MongoLayout::PerPair, "KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_and_resumed_single() {
    interrupted_and_resumed(MongoLayout::Single, "KILL").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stopped_and_resumed() {
    interrupted_and_resumed(MongoLayout::PerPair, "INT").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rehearsal_changes_nothing() {
    for layout in [MongoLayout::PerPair, MongoLayout::Single] {
        let operator = Operator::new(layout, 8);
        World::fill(&operator.data(), 7, 100).await;
        let would = operator.migrate(&["--dry-run"]);
        would.expect(
            0,
            &["would add 12 accounts and 100 messages in 7 conversations", "nothing was changed"],
        );
        let database = operator.target.database().await;
        assert_eq!(database.list_collection_names().await.unwrap(), Vec::<String>::new());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_later_is_added() {
    let operator = Operator::new(MongoLayout::PerPair, 8);
    let mut world = World::fill(&operator.data(), 5, 100).await;
    operator.migrate(&[]).expect_equal(&world.rows());
    // The daemon runs on the embedded store once more.
    let source = embedded(&operator.data());
    world.assert_goes_on(&source).await;
    world.messages += world.conversations.len();
    let marks = world.conversations.iter().map(|one| confab::store::NewMark {
        reader: one.second(),
        peer: one.first(),
        upto: None,
        at: confab::store::Timestamp(1_760_000_000_000),
    });
    let marks: Vec<_> = marks.collect();
    for marked in source.mark_seen(marks).await {
        assert!(marked.unwrap().mark.upto > 0);
    }
    // One login was renewed, one is over, and one is new.
    let renewed = source.login(world.logins[1]).await.unwrap().unwrap();
    let (old, next) = (renewed.token, login(renewed.user, 200));
    let next = confab::store::RefreshableLogin { id: renewed.id, epoch: renewed.epoch, ..next };
    assert!(source.renew_login(old, next).await.unwrap());
    let over = world.logins.remove(0);
    assert!(source.end_login(over).await.unwrap());
    let new = confab::store::RefreshableLogin { used: None, ..login(renewed.user, 100) };
    source.create_login(new.clone(), 10).await.unwrap();
    world.logins.push(new.id);
    source.close().await;
    let would = operator.migrate(&["--dry-run"]);
    would.expect(0, &["and write 2 logins"]);
    let later = operator.migrate(&[]);
    later.expect(0, &["equal"]);
    assert_eq!(later.row("messages")[2], "5");
    assert_eq!(later.row("logins"), ["12", "12", "2"]);
    let (source, target) = (embedded(&operator.data()), operator.open_target().await);
    world.assert_same(&source, &target).await;
    assert_eq!(target.login(over).await.unwrap(), None, "it is over there too");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_store_is_migrated_too() {
    let operator = Operator::new(MongoLayout::Single, 8);
    embedded(&operator.data()).close().await;
    operator.migrate(&[]).expect_equal(&[("accounts", 0), ("messages", 0)]);
}
