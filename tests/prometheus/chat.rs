//! A daemon on the embedded store and two nodes on MongoDB and Redis, with TLS and every plugin,
//! under the load of `confab bench`.

use std::{
    path::{Path, PathBuf},
    process::{Child, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{
    Daemon, Http,
    certificates::{Authority, Issued},
    daemon::confab,
    endpoint::{Endpoint, Mood},
    wait::DEADLINE,
};

/// The name of the daemon on the embedded store.
pub const EMBEDDED: &str = "embedded";

/// The names of the others.
pub const NODES: [&str; 2] = ["node-1", "node-2"];

/// Every plugin, none of which hinders the load.
fn config(webhook: &str, tls: &Issued) -> String {
    let (certificate, key) = (tls.certificate.display(), tls.key.display());
    format!(
        r#"
[server.tls]
certificate_file = "{certificate}"
key_file = "{key}"

[limits]
frame_rate = 0
auth_rate = 0

[auth]
argon2_memory = "8MiB"
argon2_iterations = 1

[[plugins]]
use = "metrics"

[[plugins]]
use = "ratelimit"
options = {{ rules = [{{ per = "user", kinds = ["message"], events = 100000, every = "1s" }}] }}

[[plugins]]
use = "redact"
on = ["message", "register"]

[[plugins]]
use = "filter"
name = "words"
options = {{ deny = ["forbidden"] }}

[[plugins]]
use = "spam"
mode = "shadow"

[[plugins]]
use = "webhook"
name = "tell"
options = {{ mode = "notify", url = "{webhook}", outcomes = ["denied"] }}

[[plugins]]
use = "autoreply"
options = {{ bot = "helper", cooldown = "100ms", rules = [{{ words = ["open"], reply = "Yes." }}] }}

[[plugins]]
use = "audit"

[[plugins]]
use = "log"
"#
    )
}

/// The daemons and what loads them; all end with it.
pub struct Chat {
    daemons: Vec<(&'static str, Daemon)>,
    ways: Vec<Http>,
    loads: Vec<Child>,
    _folder: TempDir,
    _endpoint: Endpoint,
    _authority: Authority,
}

impl Chat {
    /// Starts everything.
    pub async fn start() -> Self {
        let endpoint = Endpoint::start(Mood::Well).await;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let authority = Authority::new();
        let toml = config(&endpoint.url(), &authority.issue("chat", 30));
        let data = folder.path().join("data");
        let mut daemons = vec![(EMBEDDED, Daemon::start_with(&toml, Some(&data), &[]))];
        for name in NODES {
            daemons.push((name, node(folder.path(), &toml)));
        }
        daemons.iter().for_each(|(_, daemon)| wait_until_ready(daemon));
        let mut ways = Vec::new();
        for (_, daemon) in &daemons {
            ways.push(Http::new(&authority.tunnel(daemon.address()).await));
        }
        ways.iter().for_each(provoke);
        let load = |daemons| load(daemons, &authority.file());
        let loads = [&daemons[..1], &daemons[1..]].map(load).into();
        Self { daemons, ways, loads, _folder: folder, _endpoint: endpoint, _authority: authority }
    }

    /// Every daemon and its name.
    pub fn daemons(&self) -> impl Iterator<Item = (&'static str, &Daemon)> {
        self.daemons.iter().map(|(name, daemon)| (*name, daemon))
    }

    /// A way into each daemon, through its TLS.
    pub fn ways(&self) -> impl Iterator<Item = &Http> {
        self.ways.iter()
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        for load in &mut self.loads {
            let _ = load.kill();
            let _ = load.wait();
        }
    }
}

/// A node of the one chat in this folder, which `tests/run` gives a MongoDB and a Redis.
fn node(folder: &Path, toml: &str) -> Daemon {
    let path: PathBuf = folder.join("confab.toml");
    std::fs::write(&path, toml).expect("written");
    let variable = |name| std::env::var(name).unwrap_or_else(|_| panic!("{name}: run tests/run"));
    let name = folder.file_name().expect("a name").to_string_lossy().replace('.', "");
    let name = format!("confab-test-{name}");
    Daemon::start_node(&[
        ("CONFAB_CONFIG", &path.display().to_string()),
        ("SECRET_KEY", "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ"),
        ("MONGO_URI", &variable("CONFAB_TEST_MONGO_URI")),
        ("MONGO_DB", &name),
        ("REDIS_URL", &variable("CONFAB_TEST_REDIS_URL")),
        ("CONFAB_BUS__REDIS__PREFIX", &name),
    ])
}

fn wait_until_ready(daemon: &Daemon) {
    let started = Instant::now();
    while daemon.admin().get("/readyz", None).0 != 200 {
        assert!(started.elapsed() < DEADLINE, "it is not ready:\n{}", daemon.log());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// What the load does not do: a name that is taken, and a token that is bad.
fn provoke(http: &Http) {
    let body = serde_json::json!({"username": "twice", "password": "correct horse battery"});
    for _ in 0..2 {
        http.post_json("/register", &body);
    }
    assert_eq!(http.get("/users/me", Some("nonsense")).0, 401);
}

/// Messages between users who are on different nodes, where there are several; until it is killed.
fn load(daemons: &[(&'static str, Daemon)], authority: &Path) -> Child {
    let urls = daemons.iter().map(|(_, daemon)| format!("https://{}", daemon.address()));
    confab()
        .arg("bench")
        .args(urls)
        .arg("--ca")
        .arg(authority)
        .args(["--pairs", "3", "--users", "6", "--connect-sessions", "0"])
        .args(["--rate", "100", "--warmup", "0s", "--duration", "10m"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("confab bench runs")
}
