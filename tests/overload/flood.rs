//! A flood, in a process of its own.
//!
//! It comes from other machines, so what it delays must be the daemon's doing: not for want of a
//! processor that its own making takes, which is why it runs when nobody else would (sched(7),
//! `SCHED_IDLE`: at nice 19 it kept its turn from those who woke), nor because it holds what the
//! bystander's side needs, such as memory's locks, which is why it shares no process with it.
//! What the daemon and a bystander leave of the machine is its own.

use std::{
    io::{BufRead, BufReader, Lines},
    process::{Child, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{
    flooding::Flooding,
    support::{Daemon, client::Account, wait::DEADLINE},
};

/// The variable with a process's [`Order`], in JSON.
const ORDER: &str = "CONFAB_FLOOD_ORDER";

/// What a process says once the daemon has taken something of it.
const BEGUN: &str = "the flood has begun";

/// What it says at its end, and how much it was.
const SENT: &str = "the flood sent ";

/// What is sent without end.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub enum Kind {
    /// Messages to bob, over so many sessions.
    Messages(usize),
    /// The same over one session, of which nothing is read.
    Unread,
    /// Typing to yve, on and off.
    Typing,
    /// Pongs, which ask for no answer.
    Pongs,
    /// Sessions, by four at once.
    Connects,
    /// Logins with a wrong password, by eight at once.
    Logins,
    /// Nothing: it computes, and asks nobody. What that costs a bystander is the machine's doing.
    Nothing,
}

/// Who is to be flooded with what, by whom.
#[derive(Debug, Deserialize, Serialize)]
pub struct Order {
    pub address: String,
    pub account: Account,
    pub kind: Kind,
}

/// A flood that goes on until it is ended or dropped.
pub struct Flood {
    process: Child,
    says: Lines<BufReader<ChildStdout>>,
}

impl Flood {
    /// A flood by `account`, which has begun.
    pub fn start(daemon: &Daemon, account: &Account, kind: Kind) -> Self {
        let address = daemon.address().to_owned();
        let order = Order { address, account: account.clone(), kind };
        let mut process = Command::new("chrt")
            .args(["--idle", "0"])
            .arg(std::env::current_exe().expect("this program"))
            .args(["--exact", "flood::a_flood_is_a_process", "--nocapture"])
            .env(ORDER, serde_json::to_string(&order).expect("JSON"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a process");
        let says = BufReader::new(process.stdout.take().expect("its words")).lines();
        let mut flood = Self { process, says };
        flood.wait_for(BEGUN);
        flood
    }

    /// Ends it; how many frames, requests or connections the daemon's system has taken.
    pub fn end(mut self) -> u64 {
        drop(self.process.stdin.take());
        let line = self.wait_for(SENT);
        line[SENT.len()..].parse().expect("a number")
    }

    /// A process that fails says nothing more.
    fn wait_for(&mut self, beginning: &str) -> String {
        let mut lines = self.says.by_ref().map(|line| line.expect("text"));
        let line = lines.find_map(|line| line.find(beginning).map(|at| line[at..].to_owned()));
        line.expect("a flood that goes on")
    }
}

impl Drop for Flood {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Floods as it was ordered, until nobody holds the other end of its standard input.
fn obey(order: &str) {
    let flooding = Flooding::start(serde_json::from_str(order).expect("an order"));
    let started = Instant::now();
    while flooding.sent() == 0 {
        assert!(started.elapsed() < DEADLINE, "nothing is taken");
        std::thread::sleep(Duration::from_millis(1));
    }
    println!("{BEGUN}");
    std::io::stdin().lines().for_each(drop);
    println!("{SENT}{}", flooding.end());
}

/// Of this program, so that there is no other one to build: the process of a flood is this test,
/// given an order. Without one it has every flood begin and end.
#[test]
fn a_flood_is_a_process() {
    if let Ok(order) = std::env::var(ORDER) {
        return obey(&order);
    }
    let daemon = Daemon::start("");
    let ann = daemon.http().register("ann");
    daemon.http().register("yve");
    daemon.http().register("bob");
    for kind in [
        Kind::Messages(1),
        Kind::Messages(8),
        Kind::Unread,
        Kind::Typing,
        Kind::Pongs,
        Kind::Connects,
        Kind::Logins,
        Kind::Nothing,
    ] {
        assert!(Flood::start(&daemon, &ann, kind).end() > 0, "{kind:?}");
    }
}
