//! A backup under load, restored elsewhere, is the ledger up to the moment it began.
//!
//! `CONFAB_BACKUP_MESSAGES=200000 cargo test --release --test backup load -- --nocapture` takes it
//! of a larger store.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
};

use serde_json::json;
use tokio::sync::oneshot;

use crate::{
    command::{backup, daemon, restore},
    ledger::{History, Sender},
    support::{Client, client::Account, wait::until},
};

/// Pairs of users; both write.
const PAIRS: usize = 4;

/// What the senders are to do, after they began: everybody says what they were told by now.
const MARK: u8 = 1;
/// Everybody ends.
const ENOUGH: u8 = 2;

/// What the senders are to do, and what they have done.
#[derive(Default)]
struct Load {
    phase: AtomicU8,
    acknowledged: AtomicU64,
}

/// One sender's place of each message, by its id, as far as it was told them.
type Told = BTreeMap<String, u64>;

/// Sends until there is enough; at the mark, tells what was acknowledged by then.
async fn send(mut sender: Sender, load: Arc<Load>, marked: oneshot::Sender<Told>) -> Sender {
    let (mut marked, mut counted) = (Some(marked), 0);
    let run = sender.run(|ledger| {
        let now = ledger.acknowledged.len() as u64;
        load.acknowledged.fetch_add(now - counted, Ordering::Relaxed);
        counted = now;
        let phase = load.phase.load(Ordering::Acquire);
        if phase >= MARK {
            marked.take().map(|marked| marked.send(ledger.acknowledged.clone()));
        }
        phase == ENOUGH
    });
    run.await.expect("the session stays open");
    sender
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_under_load_is_the_ledger_up_to_its_moment() {
    let enough = std::env::var("CONFAB_BACKUP_MESSAGES").map_or(3000, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let [data, file, elsewhere] =
        ["data", "chat.backup", "elsewhere"].map(|n| folder.path().join(n));
    let original = daemon(&data);
    let http = original.http();
    let accounts: Vec<_> = (0..2 * PAIRS).map(|user| http.register(&format!("u{user}"))).collect();

    let load = Arc::new(Load::default());
    let (mut senders, mut marks) = (Vec::new(), Vec::new());
    for (place, account) in accounts.iter().enumerate() {
        let client = Client::connect(original.address(), account).await;
        let to = &accounts[place ^ 1].id;
        let sender = Sender::new(client, to, &format!("s{place}"), 16, 300);
        let (marked, mark) = oneshot::channel();
        marks.push(mark);
        senders.push(tokio::spawn(send(sender, Arc::clone(&load), marked)));
    }
    let acknowledged = || load.acknowledged.load(Ordering::Relaxed);
    until("there is something to back up", async || (acknowledged() >= enough).then_some(())).await;
    load.phase.store(MARK, Ordering::Release);
    let mut before = Vec::new();
    for mark in marks {
        before.push(mark.await.expect("a mark"));
    }
    let made = {
        let (data, file) = (data.clone(), file.clone());
        tokio::task::spawn_blocking(move || backup(&data, &file, &[]).done()).await.unwrap()
    };
    // It goes on after the backup, whose place among the messages is therefore of its own choosing.
    let last = acknowledged() + 100;
    until("more was sent", async || (acknowledged() >= last).then_some(())).await;
    load.phase.store(ENOUGH, Ordering::Release);
    let mut after = Vec::new();
    for sender in senders {
        after.push(sender.await.unwrap());
    }

    let restored = restore(&elsewhere, &file, &[]).done();
    let copy = daemon(&elsewhere);
    let (mut there, mut all) = (0, 0);
    for (pair, both) in accounts.chunks_exact(2).enumerate() {
        let [ann, bob] = both else { unreachable!() };
        // With the tokens of before: the key was in the backup. `read` holds that there is no hole.
        let full = History::read(&http, ann, &bob.id);
        let kept = History::read(&copy.http(), ann, &bob.id);
        for (id, (seq, text)) in &kept.by_id {
            assert_eq!(full.by_id.get(id), Some(&(*seq, text.clone())), "{id} is as it was");
        }
        assert_eq!(kept.moments[..], full.moments[..kept.moments.len()], "a prefix");
        for (id, seq) in [2 * pair, 2 * pair + 1].iter().flat_map(|place| &before[*place]) {
            let found = kept.by_id.get(id).map(|found| found.0);
            assert_eq!(found, Some(*seq), "{id} was acknowledged before the backup began");
        }
        there += kept.moments.len();
        all += full.moments.len();
        goes_on(&copy, ann, bob, kept.moments.len()).await;
    }
    let before: usize = before.iter().map(BTreeMap::len).sum();
    let after: usize = after.iter().map(|sender| sender.ledger.acknowledged.len()).sum();
    assert_eq!((all, made["messages"].as_u64()), (after, Some(there as u64)), "{made}");
    assert_eq!((&restored["messages"], &restored["accounts"]), (&made["messages"], &json!(8)));
    println!(
        "{before} messages acknowledged before the backup began, {there} in it, {all} when the \
         sending ended; 0 lost, 0 different; {} bytes in {} s",
        made["bytes"], made["seconds"]
    );
    assert!(before <= there && there < all, "{before} {there} {all}");
}

/// The restored server takes messages, numbered from where the backup ends.
async fn goes_on(copy: &crate::support::Daemon, ann: &Account, bob: &Account, kept: usize) {
    let mut client = Client::connect(copy.address(), ann).await;
    client.say(&bob.id, "and so it goes on").await;
    assert_eq!(client.next_event("message").await["seq"], kept + 1);
}
