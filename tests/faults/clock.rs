//! When the machine's clock jumps: order, sessions, tokens and lists, with Debian's `faketime`
//! moving the daemon's clock while it runs, and not the one that only runs forward.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::{Value, json};

use crate::{
    ledger::{History, Sender},
    support::{Client, Daemon, Http, client::Account},
};

/// A session that is silent for long enough to be pinged is soon found out.
const CONFIG: &str = "[limits]\nping_interval = \"1s\"\nidle_timeout = \"6s\"\n\
                      sync_messages = 10000\nsync = \"1MiB\"\n";

/// A daemon that sees another time than the test.
struct Scene {
    daemon: Daemon,
    clock: PathBuf,
    _folder: tempfile::TempDir,
    ann: Account,
    bob: Account,
    senders: [Sender; 2],
    /// All who were ever registered.
    ids: BTreeSet<String>,
}

impl Scene {
    async fn start() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let clock = folder.path().join("clock");
        fs::write(&clock, "+0").expect("written");
        let library = "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1";
        assert!(fs::exists(library).expect("looked"), "faketime is missing: run tests/run");
        let variables = [
            ("LD_PRELOAD", library),
            ("FAKETIME_TIMESTAMP_FILE", clock.to_str().expect("a text")),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ];
        let daemon = Daemon::start_with(CONFIG, None, &variables);
        let (ann, bob) = (daemon.http().register("ann"), daemon.http().register("bob"));
        let one = Client::connect(daemon.address(), &ann).await;
        let two = Client::connect(daemon.address(), &bob).await;
        let senders =
            [Sender::new(one, &bob.id, "a", 2, 20), Sender::new(two, &ann.id, "b", 2, 20)];
        let ids = [&ann, &bob].map(|account| account.id.clone()).into();
        Self { daemon, clock, _folder: folder, ann, bob, senders, ids }
    }

    /// Sets the daemon's clock, in one step.
    fn jump(&self, time: &str) {
        let draft = self.clock.with_extension("draft");
        fs::write(&draft, time).expect("written");
        fs::rename(draft, &self.clock).expect("renamed");
    }

    fn http(&self) -> Http {
        self.daemon.http()
    }

    /// The old sessions chat on, for longer than a dead one would stay.
    async fn chat_on(&mut self) {
        for _ in 0..7 {
            for sender in &mut self.senders {
                let least = sender.ledger.acknowledged.len() + 3;
                let enough = |ledger: &crate::ledger::Ledger| ledger.acknowledged.len() >= least;
                sender.run(enough).await.expect("the session stays open");
                assert!(sender.ledger.errors.is_empty(), "{:?}", sender.ledger.errors);
            }
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let ann = self.http().login("ann");
        let history = History::read(&self.http(), &ann, &self.bob.id);
        self.senders.iter().for_each(|sender| sender.check(&history));
    }

    /// Somebody new: their id is new, their token good, and ann hears of them at once. Returns
    /// their token and the moment of their message.
    async fn newcomer(&mut self, name: &str) -> (Account, String) {
        let account = self.http().register(name);
        assert!(self.ids.insert(account.id.clone()), "an id of somebody else's: {account:?}");
        let mut client = Client::connect(self.daemon.address(), &account).await;
        client.say("@ann", name).await;
        let message = client.next_event("message").await;
        assert_eq!((&message["seq"], &message["content"]), (&json!(1), &json!(name)));
        let got = self.senders[0].client.next_event("message").await;
        // Bob's own messages are on their way to ann as well.
        let mut got = got;
        while got["from"] != account.id.as_str() {
            got = self.senders[0].client.next_event("message").await;
        }
        assert_eq!(got, message);
        (account, message["at"].as_str().expect("a moment").to_owned())
    }

    /// Ann's list, in pages of one: everybody who wrote to her is on it, once, the newest first.
    fn list(&self) {
        let ann = self.http().login("ann");
        let (mut peers, mut moments, mut cursor) = (Vec::new(), Vec::new(), String::new());
        loop {
            let path = format!("/conversations?limit=1{cursor}");
            let page = self.http().get_json(&path, &ann.token);
            for conversation in page["conversations"].as_array().expect("a list") {
                peers.push(conversation["peer"]["user_id"].as_str().map(str::to_owned));
                moments.push(conversation["last_message"]["at"].to_string());
            }
            match &page["next"] {
                Value::String(next) => cursor = format!("&cursor={next}"),
                _ => break,
            }
        }
        let found: BTreeSet<_> = peers.iter().flatten().cloned().collect();
        let mut expected = self.ids.clone();
        expected.remove(&self.ann.id);
        assert_eq!((peers.len(), &found), (expected.len(), &expected));
        assert!(moments.is_sorted_by(|a, b| a >= b), "{moments:?}");
    }

    /// All of it is in the answer to a `sync`, and complete.
    async fn sync(&self) {
        let mut ann = Client::connect(self.daemon.address(), &self.http().login("ann")).await;
        ann.send(json!({"event":"sync","have":{}})).await;
        let sync = ann.next_event("sync").await;
        assert_eq!(sync["complete"], true, "{sync}");
        let told = sync["messages"].as_array().expect("a list").len();
        let there: usize = self.senders.iter().map(|it| it.ledger.acknowledged.len()).sum();
        // And one of each newcomer.
        assert_eq!(told, there + self.ids.len() - 2);
        ann.close().await;
    }

    fn refusal(&self, account: &Account) -> (u16, String) {
        let (status, body) = self.http().get("/users/me", Some(&account.token));
        let body: Value = serde_json::from_str(&body).expect("JSON");
        (status, body["code"].as_str().unwrap_or_default().to_owned())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jumps_of_the_clock_disorder_nothing() {
    let mut scene = Scene::start().await;
    let (first, now) = scene.newcomer("now").await;
    scene.chat_on().await;
    scene.list();

    // Forward, far beyond the end of all tokens: sessions and order stay.
    scene.jump("+400d");
    let (future, at) = scene.newcomer("future").await;
    assert!(at > now);
    assert_eq!(scene.refusal(&first), (401, "token_expired".into()));
    scene.chat_on().await;
    scene.list();
    scene.sync().await;

    // Back: what was said in the future does not hide what is said now.
    scene.jump("+0");
    let (_, at) = scene.newcomer("again").await;
    assert!(at > now && at < scene_time(&scene, "future"));
    assert_eq!(scene.refusal(&first), (200, String::new()), "its time has come back");
    assert_eq!(scene.refusal(&future), (401, "bad_token".into()));
    scene.chat_on().await;
    scene.list();
    scene.sync().await;

    scene.jump("-1d");
    scene.newcomer("yesterday").await;
    scene.list();
    scene.jump("@1970-01-01 00:00:10");
    let (past, at) = scene.newcomer("past").await;
    assert!(at.starts_with("1970-01-01T00:"), "{at}");
    assert_eq!(scene.refusal(&past).0, 200);
    scene.chat_on().await;
    scene.list();
    scene.sync().await;

    scene.jump("+0");
    assert_eq!(scene.refusal(&past), (401, "token_expired".into()));
    scene.chat_on().await;
    // As after a crash.
    scene.daemon.restart(true);
    let ann = scene.http().login("ann");
    let history = History::read(&scene.http(), &ann, &scene.bob.id);
    scene.senders.iter().for_each(|sender| sender.check(&history));
    scene.list();
    scene.sync().await;
    println!("{} messages over 6 jumps; all sessions stayed", history.moments.len());
}

/// When the last message of this peer was sent, as ann's list says.
fn scene_time(scene: &Scene, name: &str) -> String {
    let ann = scene.http().login("ann");
    let page = scene.http().get_json(&format!("/conversations/@{name}/messages"), &ann.token);
    page["messages"][0]["at"].as_str().expect("a moment").to_owned()
}
