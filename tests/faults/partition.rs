//! Promise 7 behind a partition: packets to Redis or MongoDB vanish, one way or both, and nobody
//! is told.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::task::JoinHandle;

use crate::{
    ledger::{History, Ledger, Sender},
    load::{Sent, check, history, read, send},
    mongo::{self, TestDatabase},
    mongod::Mongod,
    network::{Cut, Network},
    redis_server::RedisServer,
    support::{Client, Daemon, client::Account, wait::until},
};

/// How long a partition lasts: longer than any time limit of the nodes.
const AWAY: Duration = Duration::from_secs(4);

/// In what time everything must be as before. The kernel tries again after twice as long each
/// time, so that it may take as long again as the partition lasted.
const HEALED: Duration = Duration::from_secs(12);

/// How soon a node says that it can't: `operation_timeout`, and time for a busy machine.
const REFUSED: Duration = Duration::from_secs(4);

/// A node that waits for MongoDB for two seconds; or with a Redis, which is what goes away then, as
/// long as a disk may stall.
fn node(database: &TestDatabase, redis: Option<&str>) -> Daemon {
    let patience = if redis.is_some() { "60s" } else { "2s" };
    let mut variables = vec![
        ("SECRET_KEY", "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ"),
        ("MONGO_URI", &*database.uri),
        ("MONGO_DB", &*database.name),
        ("CONFAB_LIMITS__FRAME_RATE", "0"),
        ("CONFAB_STORE__MONGO__SERVER_SELECTION_TIMEOUT", "1s"),
        ("CONFAB_STORE__MONGO__CONNECT_TIMEOUT", "1s"),
        ("CONFAB_STORE__MONGO__OPERATION_TIMEOUT", patience),
        ("CONFAB_BUS__REDIS__CONNECT_TIMEOUT", "1s"),
        ("CONFAB_BUS__REDIS__RESPONSE_TIMEOUT", "1s"),
        ("CONFAB_BUS__REDIS__MAX_BACKOFF", "500ms"),
    ];
    variables.extend(redis.map(|redis| ("REDIS_URL", redis)));
    Daemon::start_node(&variables)
}

async fn ready(node: &Daemon) {
    let ready = async || (node.admin().get("/readyz", None).0 == 200).then_some(());
    until("a node is ready", ready).await;
}

/// Lets `me` send to `peer` until `stop`.
async fn start(
    name: &'static str,
    me: &Account,
    peer: &Account,
    node: &Daemon,
    stop: &Arc<AtomicBool>,
) -> JoinHandle<Sent> {
    let mut client = Client::connect(node.address(), me).await;
    let (to, stop) = (peer.id.clone(), Arc::clone(stop));
    tokio::spawn(async move { send(&mut client, &to, name, usize::MAX, &stop).await })
}

/// Two nodes, each with a wire of its own to Redis; the first one's is cut.
async fn redis_behind(cut: Cut) {
    let network = Network::new(2);
    let redis = RedisServer::at(&network.far(0), &network.inside(), &[]);
    let database = TestDatabase::on(mongo::server());
    let other = redis.url().replace(&network.far(0), &network.far(1));
    let one = node(&database, Some(&redis.url()));
    let two = node(&database, Some(&other));
    ready(&one).await;
    ready(&two).await;
    let (ann, bob) = (one.http().register("ann"), two.http().register("bob"));
    let readers = [
        read(Client::connect(one.address(), &ann).await),
        read(Client::connect(two.address(), &bob).await),
    ];
    let stop = Arc::new(AtomicBool::new(false));
    let senders =
        [start("a", &ann, &bob, &one, &stop).await, start("b", &bob, &ann, &two, &stop).await];
    let seen = |at: usize| readers[at].0.lock().expect("seen").len();
    until("messages cross", async || (seen(0) > 50 && seen(1) > 50).then_some(())).await;

    network.cut(0, cut);
    tokio::time::sleep(AWAY).await;
    network.mend(0);
    let mended = Instant::now();
    stop.store(true, Ordering::Relaxed);
    let mut sent = Vec::new();
    for sender in senders {
        let told = sender.await.expect("a sender whose session stayed open");
        assert!(told.errors.is_empty(), "Redis is nothing that a sender waits for: {told:?}");
        sent.push(told);
    }
    let all = history(&one, &ann.token, &bob.id);
    check(&all, &sent.iter().collect::<Vec<_>>());
    for (at, (seen, reading)) in readers.iter().enumerate() {
        let everything = async || (seen.lock().expect("seen").len() == all.len()).then_some(());
        until(&format!("reader {at} has everything"), everything).await;
        assert!(!reading.is_finished(), "no session closes");
    }
    let healed = mended.elapsed();
    println!("Redis cut off ({cut:?}): {} messages, all there {healed:.1?} after", all.len());
    assert!(healed < HEALED, "{healed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_cut_off() {
    redis_behind(Cut::Both).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_hears_and_is_not_heard() {
    redis_behind(Cut::Outwards).await;
}

/// What is written arrives in `Outwards`, and only its confirmation is lost: it is refused, and
/// sent again it is there once.
async fn mongodb_behind(cut: Cut) {
    let network = Network::new(1);
    let mongod = Mongod::replica_set_at(&network.far(0), &network.inside()).await;
    let database = TestDatabase::on(mongod.uri());
    let daemon = node(&database, None);
    ready(&daemon).await;
    let (ann, bob) = (daemon.http().register("ann"), daemon.http().register("bob"));
    let (seen, reading) = read(Client::connect(daemon.address(), &bob).await);
    let client = Client::connect(daemon.address(), &ann).await;
    let mut sender = Sender::new(client, &bob.id, "a", 4, 100);
    let told = |count: usize| move |ledger: &Ledger| ledger.acknowledged.len() >= count;
    sender.run(told(50)).await.expect("a session");

    network.cut(0, cut);
    let cut_at = Instant::now();
    let (mut first, before) = (None, sender.ledger.errors.len());
    let enough = |ledger: &Ledger| {
        first = first.or_else(|| ledger.errors.get(before).map(|_| cut_at.elapsed()));
        ledger.errors.len() >= before + 4
    };
    sender.run(enough).await.expect("the session stays open");
    let refused = first.expect("a refusal");
    assert!(refused < REFUSED, "{refused:?}");
    for error in &sender.ledger.errors {
        assert!(error["code"] == "unavailable" && error["retry_after"].is_u64(), "{error}");
    }
    let (status, why) = daemon.admin().get("/readyz", None);
    assert!(status == 503 && why.contains("store"), "{status} {why}");
    let left = AWAY.saturating_sub(cut_at.elapsed());
    let away = cut_at.elapsed() + left;
    tokio::time::sleep(left).await;
    network.mend(0);
    let mended = Instant::now();
    let count = sender.ledger.acknowledged.len() + 50;
    sender.run(told(count)).await.expect("the session stays open");
    let healed = mended.elapsed();
    ready(&daemon).await;
    let history = History::read(&daemon.http(), &ann, &bob.id);
    sender.check(&history);
    until("the reader has everything", async || {
        (seen.lock().expect("seen").len() == history.moments.len()).then_some(())
    })
    .await;
    assert!(!reading.is_finished(), "no session closes");
    println!(
        "MongoDB cut off ({cut:?}) for {away:.1?}: refused after {refused:.1?}, stored again \
         {healed:.1?} after; {} acknowledged, {} there",
        sender.ledger.acknowledged.len(),
        history.moments.len()
    );
    assert!(healed < HEALED, "{healed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_cut_off() {
    mongodb_behind(Cut::Both).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mongodb_hears_and_is_not_heard() {
    mongodb_behind(Cut::Outwards).await;
}
