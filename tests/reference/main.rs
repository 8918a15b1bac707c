//! Promise 4, as an author of clients meets it: two reference clients (`client.py`, the recipe of
//! docs/clients.md) chat through kills, cuts, a drain, a stall and the end of a token, and both
//! have all of it at the end, once, in order. `tests/run` installs what this needs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod proxy;
#[path = "../support/mod.rs"]
mod support;

use std::{
    collections::HashSet,
    io::{BufRead, BufReader, Lines, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};

use proxy::{Proxy, Weather};
use serde_json::{Value, json};
use support::{
    Client, Daemon,
    client::{Account, PASSWORD},
    wait,
};

/// Signs the tokens; with MongoDB and Redis, the daemon is given the same.
const KEY: &str = "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ";

/// Small pages and a small outbox, so that every bound is met.
const CONFIG: &str = "
[limits]
frame_rate = 0
outbox = \"64KiB\"
outbox_frames = 64
sync_messages = 10
[auth]
argon2_memory = \"8MiB\"
argon2_iterations = 1
leeway = \"0s\"
secret_key = \"q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ\"
";

/// A reference client in a process of its own.
struct Reference {
    account: Account,
    child: Child,
    commands: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    sent: Vec<(String, String)>,
}

impl Reference {
    fn start(account: &Account, url: &str, token: &str, folder: &Path) -> Self {
        let python = std::env::var("CONFAB_TEST_PYTHON")
            .expect("CONFAB_TEST_PYTHON names a Python with tests/requirements.txt: run tests/run");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/client.py");
        let mut child = Command::new(python)
            .arg(script)
            .args(["--url", url, "--username", &account.name, "--password", PASSWORD])
            .args(["--user-id", &account.id, "--token", token, "--named", "1", "--store"])
            .arg(folder.join(&account.name))
            .args(["--first-delay", "0.02", "--max-delay", "0.2", "--stable", "0.5"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("python runs");
        let commands = child.stdin.take().expect("its input");
        let answers = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { account: account.clone(), child, commands, answers, sent: Vec::new() }
    }

    fn command(&mut self, command: &Value) {
        writeln!(self.commands, "{command}").expect("told");
    }

    /// Writes some more messages, which the client sends when and as it can.
    fn write(&mut self, to: &str, count: usize) {
        for _ in 0..count {
            let content = format!("{} {}", self.account.name, self.sent.len() + 1);
            self.command(&json!({"send": {"to": to, "content": content}}));
            self.sent.push((to.to_owned(), content));
        }
    }

    /// How far it is, and what happened to it.
    fn state(&mut self) -> Value {
        self.report("state")
    }

    fn report(&mut self, what: &str) -> Value {
        self.command(&json!({"report": what}));
        let line = self.answers.next().expect("it runs").expect("text");
        serde_json::from_str(&line).expect("JSON")
    }

    /// How often this has happened to it.
    fn count(&mut self, what: &str) -> u64 {
        self.state()["counts"][what].as_u64().unwrap_or(0)
    }

    /// How many messages wait for their echo.
    fn waiting(&mut self) -> u64 {
        self.state()["waiting"].as_u64().expect("a number")
    }

    /// Up to which message of the conversation with a peer it has all.
    fn has(&mut self, peer: &str) -> usize {
        let newest = self.state()["have"][peer].as_u64().unwrap_or(0);
        usize::try_from(newest).expect("small")
    }

    /// The conversation with a peer, as the client has it: `seq, sender, id, content`.
    fn conversation(&mut self, peer: &str) -> Vec<Value> {
        let report = self.report("messages");
        let all = report.as_array().expect("a list");
        let of = all.iter().filter(|row| row[0] == peer);
        of.map(|row| json!([row[1], row[2], row[3], row[4]])).collect()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A token that is good for this many seconds.
fn token(account: &Account, seconds: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("now").as_secs();
    let mut claims =
        jsonwebtoken::dangerous::insecure_decode::<Value>(&account.token).expect("a token").claims;
    claims["exp"] = json!(now + seconds);
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let signing = jsonwebtoken::EncodingKey::from_secret(KEY.as_bytes());
    jsonwebtoken::encode(&header, &claims, &signing).expect("signed")
}

/// The history over HTTP, page by page.
fn history(daemon: &Daemon, asker: &Account, peer: &str) -> Vec<Value> {
    let (mut all, mut after) = (Vec::new(), 0);
    loop {
        let path = format!("/conversations/{peer}/messages?after={after}&limit=100");
        let page = daemon.http().get_json(&path, &asker.token);
        let messages = page["messages"].as_array().expect("a list").clone();
        let rows = messages.iter().map(|m| json!([m["seq"], m["from"], m["id"], m["content"]]));
        all.extend(rows);
        if page["more"] == false {
            return all;
        }
        after = messages.last().expect("a message")["seq"].as_u64().expect("a number");
    }
}

/// Both write, and both get an answer to all of it.
struct Pair {
    ann: Reference,
    bob: Reference,
}

impl Pair {
    fn write(&mut self, count: usize) {
        let (ann, bob) = (self.ann.account.id.clone(), self.bob.account.id.clone());
        self.ann.write(&bob, count);
        self.bob.write(&ann, count);
        self.ann.write(&ann, 1);
    }

    async fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) {
        wait::until(what, async || holds(self).then_some(())).await;
    }

    async fn settled(&mut self) {
        self.until("all is acknowledged", |pair| pair.ann.waiting() + pair.bob.waiting() == 0)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_clients_miss_nothing_whatever_happens() {
    let mut daemon = Daemon::start(CONFIG);
    let folder = tempfile::tempdir().expect("a folder");
    let (ann, bob) = (daemon.http().register("ann"), daemon.http().register("bob"));
    let [near_ann, near_bob] =
        [Proxy::start(daemon.address(), 1).await, Proxy::start(daemon.address(), 2).await];
    let mut pair = Pair {
        ann: Reference::start(&ann, &near_ann.url(), &ann.token, folder.path()),
        bob: Reference::start(&bob, &near_bob.url(), &bob.token, folder.path()),
    };
    pair.write(20);
    pair.settled().await;

    // Ann's token ends while they chat. On a machine so slow that it ends before she is connected,
    // the next one is good for longer.
    for seconds in [3, 9, 20] {
        let sent = std::mem::take(&mut pair.ann.sent);
        let short = token(&ann, seconds);
        pair.ann = Reference::start(&ann, &near_ann.url(), &short, folder.path());
        pair.ann.sent = sent;
        pair.write(20);
        pair.until("ann is logged in again", |pair| pair.ann.count("login") > 0).await;
        if pair.ann.count("4401") > 0 {
            break;
        }
    }
    assert_eq!(pair.ann.count("4401"), 1);
    pair.write(20);
    pair.settled().await;

    // Connections break, in the middle of frames and between a message and its echo.
    for near in [&near_ann, &near_bob] {
        near.set(Weather::Cutting);
    }
    while near_ann.cuts() < 8 || near_bob.cuts() < 8 {
        let cuts = (near_ann.cuts(), near_bob.cuts());
        pair.write(10);
        pair.until("the next cut", |_| (near_ann.cuts(), near_bob.cuts()) != cuts).await;
    }
    for near in [&near_ann, &near_bob] {
        near.set(Weather::Fair);
    }
    pair.settled().await;

    // The daemon is killed while messages are on their way, and stopped as it should be.
    for round in 0..4 {
        pair.write(40);
        let waiting = pair.ann.waiting();
        pair.until("some are stored", |pair| pair.ann.waiting() < waiting).await;
        if round < 3 {
            daemon.kill();
        } else {
            assert!(daemon.stop().success());
        }
        pair.write(10);
        daemon.start_again();
    }
    pair.settled().await;
    pair.until("a drain was seen", |pair| pair.ann.count("1001") > 0).await;

    // Bob reads nothing, while somebody writes him a lot: as much at once as an outbox holds.
    const BATCH: usize = 4;
    near_bob.set(Weather::Stalled);
    let mut cid = daemon.client("cid").await;
    let (content, mut flood) = ("x".repeat(15_000), 0);
    wait::until("the slow session is closed", async || {
        for _ in 0..BATCH {
            cid.feed(json!({"event": "message", "to": "@bob", "content": &content})).await;
        }
        cid.flush().await;
        for _ in 0..BATCH {
            cid.next().await;
        }
        flood += BATCH;
        let closed = "confab_websocket_closed_total{reason=\"slow_client\"}";
        (daemon.metric(closed) >= 1.0).then_some(())
    })
    .await;
    pair.write(10);
    near_bob.set(Weather::Fair);
    let to = cid.id().to_owned();
    pair.until("bob has the flood", |pair| pair.bob.has(&to) == flood).await;
    pair.settled().await;

    // A read mark is a state like the rest.
    let last = history(&daemon, &ann, &bob.id).len();
    pair.bob.command(&json!({"seen": {"to": ann.id, "upto": last}}));
    let mark = json!([bob.id, ann.id, last]);
    pair.until("ann knows what bob has read", |pair| {
        pair.ann.state()["marks"].as_array().expect("a list").contains(&mark)
    })
    .await;

    check(&daemon, &mut pair, &cid).await;
}

async fn check(daemon: &Daemon, pair: &mut Pair, cid: &Client) {
    let (ann, bob) = (pair.ann.account.clone(), pair.bob.account.clone());
    let (ann, bob) = (daemon.http().login(&ann.name), daemon.http().login(&bob.name));
    let common = history(daemon, &ann, &bob.id);
    pair.until("both have all", |pair| {
        pair.ann.has(&bob.id) >= common.len() && pair.bob.has(&ann.id) >= common.len()
    })
    .await;
    assert_eq!(pair.ann.conversation(&bob.id), common, "ann has what there is");
    assert_eq!(pair.bob.conversation(&ann.id), common, "bob has what there is");
    assert_eq!(pair.bob.conversation(cid.id()), history(daemon, &bob, cid.id()));
    let notes = history(daemon, &ann, &ann.id);
    assert_eq!(pair.ann.conversation(&ann.id), notes);

    for rows in [&common, &notes] {
        assert!((1..).zip(rows).all(|(seq, row)| row[0] == seq), "1, 2, 3 … without a gap");
        let ids: HashSet<_> = rows.iter().map(|row| row[2].to_string()).collect();
        assert_eq!(ids.len(), rows.len(), "each id once");
    }
    // All that was written is there, once, and in the order in which it was.
    for (sender, peer, rows) in
        [(&pair.ann, &bob, &common), (&pair.bob, &ann, &common), (&pair.ann, &ann, &notes)]
    {
        let written = sender.sent.iter().filter(|(to, _)| *to == peer.id).map(|(_, text)| text);
        let stored = rows.iter().filter(|row| row[1] == sender.account.id).map(|row| &row[3]);
        assert!(stored.eq(written), "what {} wrote to {}", sender.account.name, peer.name);
    }
    println!("ann: {}", pair.ann.state()["counts"]);
    println!("bob: {}", pair.bob.state()["counts"]);
    println!(
        "{} messages, {} notes, {} of a flood",
        common.len(),
        notes.len(),
        pair.bob.conversation(cid.id()).len()
    );
}
