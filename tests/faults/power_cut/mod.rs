//! Promise 1 when the power fails: what was acknowledged is on the disk, in its place.

mod disk;
mod image;
mod machine;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use disk::Disk;
use machine::{Machine, Rack};
use tokio::{task::JoinSet, time::sleep};

use crate::{
    ledger::{History, Sender},
    support::{Client, Http, client::Account, wait::until},
};

/// How often the power is cut; once unless this variable says otherwise.
const CUTS: &str = "CONFAB_POWER_CUTS";

/// The seed of what chance decides: when the power fails, and which sectors survive.
const SEED: &str = "CONFAB_POWER_CUT_SEED";

/// Conversations that are written in at the same time, from both sides.
const PAIRS: usize = 4;

/// Messages acknowledged to one sender before the power may be cut.
const LOAD: usize = 50;

/// How long the load may take: the machine is emulated.
const PATIENCE: Duration = Duration::from_secs(180);

/// For how long an emulated machine may say nothing. Then it stands still as a whole, which QEMU's
/// emulation does once in a while; its power is cut there.
const STANDSTILL: Duration = Duration::from_secs(15);

/// The disk's size, in MiB.
const DISK: usize = 128;

/// A generator of pseudo-random numbers (xorshift64*).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32
    }
}

/// Two users, and what each was told.
struct Pair {
    accounts: [Account; 2],
    senders: Vec<Sender>,
}

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Lets all pairs write, cuts the power once every sender has `LOAD` acknowledged messages or
/// somewhat more, and adds what each was told to its pair.
async fn cut_under_load(
    machine: Machine,
    disk: &Disk,
    pairs: &mut [Pair],
    life: u64,
    mut coin: impl FnMut() -> u64,
    lossy: bool,
) {
    let (mut senders, mut counts) = (JoinSet::new(), Vec::new());
    for (number, pair) in pairs.iter().enumerate() {
        for me in [0, 1] {
            let client = Client::connect(machine.address(), &pair.accounts[me]).await;
            let name = format!("{life}-{number}-{me}");
            let size = [40, 700, 5000, 12_000][number % 4];
            let mut sender = Sender::new(client, &pair.accounts[1 - me].id, &name, 8, size);
            let count = Arc::new(AtomicUsize::new(0));
            counts.push(Arc::clone(&count));
            senders.spawn(async move {
                let note = |told: usize| {
                    count.store(told, Ordering::Relaxed);
                    false
                };
                let ended = sender.run(|ledger| note(ledger.acknowledged.len())).await;
                ended.expect_err("only the cut ends it");
                (number, sender)
            });
        }
    }
    let wanted = LOAD + (coin() % 50) as usize;
    let started = Instant::now();
    let (mut said, mut goes_on) = (machine.said(), started);
    while counts.iter().any(|count| count.load(Ordering::Relaxed) < wanted) {
        let console = || machine.console();
        assert!(started.elapsed() < PATIENCE, "{counts:?} of {wanted} each:\n{}", console());
        if machine.said() != said {
            (said, goes_on) = (machine.said(), Instant::now());
        }
        if goes_on.elapsed() > STANDSTILL {
            println!("the emulated machine stands still");
            break;
        }
        sleep(Duration::from_millis(5)).await;
    }
    match coin() % 20 {
        _ if goes_on.elapsed() > STANDSTILL => disk.cut_now(),
        writes => disk.cut_after(writes as usize),
    }
    let mut survives = || !lossy && coin().is_multiple_of(2);
    let (lost, flushes) = until("the power fails", async || disk.cut(&mut survives)).await;
    machine.kill();
    let mut told = 0;
    while let Some(ended) = senders.join_next().await {
        let (number, sender) = ended.expect("a sender");
        told += sender.ledger.acknowledged.len();
        assert!(sender.ledger.refused.is_empty(), "{:?}", sender.ledger.refused);
        pairs[number].senders.push(sender);
    }
    println!(
        "cut {life}: {told} messages acknowledged in {flushes} flushes; {lost} cached sectors lost"
    );
}

/// Compares what was told with what is there; says how many messages were lost.
fn lost(address: &str, pairs: &[Pair], strict: bool) -> usize {
    let http = Http::new(address);
    let mut lost = 0;
    for pair in pairs {
        let [ann, bob] = &pair.accounts;
        // The token of before is good: the key that signed it is there too.
        let history = History::read(&http, ann, &bob.id);
        for sender in &pair.senders {
            lost += sender.lost(&history);
            if strict {
                sender.check(&history);
            }
        }
        for account in &pair.accounts {
            assert_eq!(http.login(&account.name).id, account.id, "the account is there");
        }
        let listed = http.get_json("/conversations", &ann.token);
        let last = &listed["conversations"][0]["last_seq"];
        assert_eq!(last.as_u64(), Some(history.moments.len() as u64), "{listed}");
    }
    lost
}

fn enlist(address: &str) -> Vec<Pair> {
    let http = Http::new(address);
    let pair = |number| Pair {
        accounts: ["ann", "bob"].map(|name| http.register(&format!("{name}{number}"))),
        senders: Vec::new(),
    };
    (0..PAIRS).map(pair).collect()
}

/// The first cut hits a daemon that has just made its database and its key. At the end, a file
/// system that does not tell the disk to flush: this loses messages, and the comparison sees it,
/// else all before would show nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost() {
    let (cuts, seed) = (variable(CUTS, 1), variable(SEED, 20_261_122));
    let (rack, mut random) = (Rack::new(), Random(seed));
    let disk = Disk::new(rack.format(DISK));
    let mut machine = rack.boot(&disk, "defaults");
    let mut pairs = enlist(machine.address());
    for cut in 1..=cuts {
        cut_under_load(machine, &disk, &mut pairs, cut, || random.next(), false).await;
        let started = Instant::now();
        let options = if cut == cuts { "nobarrier" } else { "defaults" };
        machine = rack.boot(&disk, options);
        assert_eq!(lost(machine.address(), &pairs, true), 0);
        println!("it was ready {:.1?} after the power came back", started.elapsed());
    }
    let senders = pairs.iter().flat_map(|pair| &pair.senders);
    let told: usize = senders.map(|sender| sender.ledger.acknowledged.len()).sum();
    println!("{cuts} power cuts (seed {seed}): 0 of {told} acknowledged messages lost");

    cut_under_load(machine, &disk, &mut pairs, cuts + 1, || random.next(), true).await;
    let machine = rack.boot(&disk, "defaults");
    let lost = lost(machine.address(), &pairs, false);
    println!("without flushes: {lost} acknowledged messages lost");
    assert!(lost > 0);
}
