//! Promise 7 when the disk is full: messages are refused and never half-accepted, what is there
//! can be read, and room is all that it takes to heal.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Value, json};

use crate::{
    ledger::{History, Ledger, Sender},
    support::{
        Client, Daemon,
        client::{Account, PASSWORD},
        wait::until,
    },
};

/// No rates, and cheap passwords.
const CONFIG: &str = "[limits]\nframe_rate = 0\nauth_rate = 0\n";

/// A small file system in memory; unmounted when dropped. Mounting needs root.
struct Small {
    folder: tempfile::TempDir,
}

impl Small {
    fn mounted(size: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = format!("size={size},mode=700");
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(folder.path())
            .status();
        assert!(mount.expect("mount runs").success(), "this test mounts a tmpfs: run it as root");
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes what room there is, but for so many bytes.
    fn fill(&self, name: &str, leave: u64) -> PathBuf {
        let path = self.path().join(name);
        let room = rustix::fs::statvfs(self.path()).expect("its size");
        let bytes = (room.f_bavail * room.f_frsize).saturating_sub(leave);
        fs::write(&path, vec![1; usize::try_from(bytes).expect("small")]).expect("written");
        path
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: the daemon may still be ending.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn readiness(daemon: &Daemon) -> (u16, String) {
    daemon.admin().get("/readyz", None)
}

/// How many lines of the log say that something did not work.
fn complaints(daemon: &Daemon) -> usize {
    daemon.log().lines().filter(|line| line.contains("ERROR") || line.contains("WARN")).count()
}

/// Two users who write to each other.
struct Scene {
    daemon: Daemon,
    ann: Account,
    bob: Account,
    senders: Vec<Sender>,
}

impl Scene {
    async fn start(data: &Path, size: usize) -> Self {
        let daemon = Daemon::start_with(CONFIG, Some(data), &[]);
        let (ann, bob) = (daemon.http().register("ann"), daemon.http().register("bob"));
        let one = Client::connect(daemon.address(), &ann).await;
        let two = Client::connect(daemon.address(), &bob).await;
        let senders =
            vec![Sender::new(one, &bob.id, "a", 4, size), Sender::new(two, &ann.id, "b", 4, size)];
        Self { daemon, ann, bob, senders }
    }

    /// Both write until each of them has had `enough`.
    async fn write(&mut self, enough: impl Fn(&Ledger) -> bool) {
        let [one, two, ..] = &mut *self.senders else { unreachable!() };
        let (one, two) = tokio::join!(one.run(&enough), two.run(&enough));
        one.and(two).expect("the sessions stay open");
    }

    /// What was acknowledged is there, and all who were told otherwise can try again.
    fn check(&self) -> usize {
        let history = History::read(&self.daemon.http(), &self.ann, &self.bob.id);
        self.senders.iter().for_each(|sender| sender.check(&history));
        history.moments.len()
    }

    /// On a full disk: it can be read, and logged in; and everybody who asks is told.
    async fn lives_on(&mut self) {
        // A change that fails leaves a little room in the log, where small ones still fit.
        let client = Client::connect(self.daemon.address(), &self.ann).await;
        let mut small = Sender::new(client, &self.bob.id, "small", 1, 10);
        small.run(|ledger| ledger.errors.len() >= 3).await.expect("the session stays open");
        self.senders.push(small);
        let (status, why) = readiness(&self.daemon);
        assert!(status == 503 && why.contains("full"), "{status} {why}");

        let acknowledged = self.check();
        assert_eq!(self.daemon.http().login("ann").id, self.ann.id);
        let listed = self.daemon.http().get_json("/conversations", &self.ann.token);
        assert_eq!(listed["conversations"][0]["last_seq"], acknowledged);
        let mut reader = Client::connect(self.daemon.address(), &self.bob).await;
        let have = acknowledged - 1;
        reader.send(json!({"event":"sync","have":{&*self.ann.id:have}})).await;
        assert_eq!(reader.next_event("sync").await["messages"][0]["seq"], acknowledged);
        let body = json!({"username":"eve","password":PASSWORD});
        let (status, answer) = self.daemon.http().post_json("/register", &body);
        let is_refused = status == 503 && answer["code"] == "unavailable";
        assert!(is_refused || status == 201, "refused or done: {status} {answer}");
        for sender in &self.senders {
            let expected = |error: &Value| {
                error["code"] == "unavailable" && error["retry_after"].as_u64() >= Some(1)
            };
            assert!(sender.ledger.errors.iter().all(expected), "{:?}", sender.ledger.errors);
        }
        assert!(self.daemon.metric("confab_store_errors_total{op=\"append\"}") > 0.0);
    }

    /// There is room again: it heals by itself, and is as it should be after a crash too.
    async fn heals(&mut self) {
        until("it is ready again", async || (readiness(&self.daemon).0 == 200).then_some(())).await;
        let before = [0, 1].map(|at| self.senders[at].ledger.acknowledged.len());
        let least = before.into_iter().max().expect("two") + 100;
        self.write(|ledger| ledger.acknowledged.len() >= least).await;
        let body = json!({"username":"eve","password":PASSWORD});
        let status = self.daemon.http().post_json("/register", &body).0;
        assert!(status == 201 || status == 409, "{status}");
        self.daemon.http().login("eve");
        let there = self.check();
        self.daemon.restart(true);
        assert_eq!(self.check(), there);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_fit_is_refused_until_there_is_room() {
    let disk = Small::mounted("48m");
    let mut scene = Scene::start(&disk.path().join("confab"), 3000).await;
    scene.write(|ledger| ledger.acknowledged.len() >= 100).await;
    let ballast = disk.fill("most", 1 << 20);
    scene.write(|ledger| ledger.errors.len() >= 200).await;
    let rest = disk.fill("rest", 0);
    scene.lives_on().await;
    let complaints = complaints(&scene.daemon);
    for file in [ballast, rest] {
        fs::remove_file(file).expect("removed");
    }
    scene.heals().await;
    println!(
        "{} messages acknowledged around a full disk; {complaints} lines in the log",
        scene.check()
    );
    assert!(complaints < 10, "the log is not flooded: {complaints} lines");
}

/// The log can't be moved into the database, which then can't grow, so that it grows itself until
/// the disk is full of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_stops_checkpoints_too() {
    let disk = Small::mounted("64m");
    let data = disk.path().join("confab");
    let mut scene = Scene::start(&data, 15_000).await;
    scene.write(|ledger| ledger.acknowledged.len() >= 100).await;
    // Room for the log up to its checkpoint, at 16 MiB, and not for what it is moved to.
    let log = fs::metadata(data.join("confab.db-wal")).expect("a log").len();
    let ballast = disk.fill("most", (20 << 20) - log);
    scene.write(|ledger| ledger.errors.len() >= 50).await;
    let rest = disk.fill("rest", 0);
    scene.lives_on().await;
    let size = |name: &str| fs::metadata(data.join(name)).expect("a file").len();
    let (log, database) = (size("confab.db-wal"), size("confab.db"));
    assert!(log > 16 << 20, "a checkpoint was due: {log} bytes");
    for file in [ballast, rest] {
        fs::remove_file(file).expect("removed");
    }
    scene.heals().await;
    println!("a log of {} KiB beside a database of {} KiB", log >> 10, database >> 10);
}

/// Limits how many bytes each of its files may have.
fn limit_files(daemon: &Daemon, bytes: &str) {
    let (id, limit) = (daemon.id().to_string(), format!("--fsize={bytes}:unlimited"));
    let limited = Command::new("prlimit").args(["--pid", &id, &limit]).status();
    assert!(limited.expect("prlimit runs").success());
}

/// As on a file system with a quota for each file.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_that_may_not_grow_is_refused_likewise() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let mut scene = Scene::start(&folder.path().join("confab"), 3000).await;
    scene.write(|ledger| ledger.acknowledged.len() >= 100).await;
    limit_files(&scene.daemon, "2000000");
    scene.write(|ledger| ledger.errors.len() >= 50).await;
    let there = scene.check();
    assert_eq!(readiness(&scene.daemon).0, 503);
    limit_files(&scene.daemon, "unlimited");
    scene.heals().await;
    println!("{there} messages before the files might grow again");
}
