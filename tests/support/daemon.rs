//! A real daemon on free ports, in a folder of its own.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::{Client, Http, wait::DEADLINE};

/// Cheap hashes: what a password costs is tested elsewhere. No rate: tests are impatient.
const FAST: &str = "[auth]\nargon2_memory = \"8MiB\"\nargon2_iterations = 1\n";

/// A disk may stall for seconds: what the daemon does then is tested where it is meant to happen.
const PATIENT: &str = "[store]\ntimeout = \"60s\"\n[store.mongo]\noperation_timeout = \"60s\"\n";

/// The tests of the promises run a second time on MongoDB and Redis, when this variable is
/// `nodes`: `tests/run` does so.
const BACKEND: &str = "CONFAB_TEST_BACKEND";

/// Where the daemon listens; a free port of the loopback unless its variables say otherwise.
const LISTEN: &str = "CONFAB_SERVER__LISTEN";

/// The shared MongoDB and Redis, and a name for one daemon's own part of them.
struct Backends {
    mongo: String,
    redis: String,
    name: String,
}

impl Backends {
    fn wanted() -> Option<Self> {
        if std::env::var(BACKEND).ok()? != "nodes" {
            return None;
        }
        let variable = |name| {
            std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run tests/run"))
        };
        let unique = tempfile::Builder::new().prefix("").tempdir().expect("a name");
        let unique = unique.path().file_name().expect("a name").to_string_lossy().into_owned();
        Some(Self {
            mongo: variable("CONFAB_TEST_MONGO_URI"),
            redis: variable("CONFAB_TEST_REDIS_URL"),
            name: format!("confab-test-{unique}"),
        })
    }

    fn variables(self) -> [(String, String); 5] {
        let key = "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ".to_owned();
        [
            ("SECRET_KEY".to_owned(), key),
            ("MONGO_URI".to_owned(), self.mongo),
            ("MONGO_DB".to_owned(), self.name.clone()),
            ("REDIS_URL".to_owned(), self.redis),
            ("CONFAB_BUS__REDIS__PREFIX".to_owned(), self.name),
        ]
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    program: PathBuf,
    variables: Vec<(String, String)>,
    child: Child,
    folder: TempDir,
    public: String,
    admin: String,
}

impl Daemon {
    /// Starts a daemon whose configuration is `toml`, with cheap passwords unless it has an
    /// `[auth]` of its own.
    pub fn start(toml: &str) -> Self {
        Self::start_program(Path::new(env!("CARGO_BIN_EXE_confab")), toml)
    }

    /// The same with another program than the built one.
    pub fn start_program(program: &Path, toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        configure(folder.path(), toml);
        let path = |name| folder.path().join(name).display().to_string();
        let mut variables = vec![("CONFAB_CONFIG".to_owned(), path("confab.toml"))];
        let Some(backends) = Backends::wanted() else {
            variables.push(("CONFAB_STORE__PATH".to_owned(), path("data")));
            return Self::spawned(program, folder, variables);
        };
        variables.extend(backends.variables());
        let daemon = Self::spawned(program, folder, variables);
        daemon.wait_until_ready();
        daemon
    }

    /// Gives it another configuration, for the next reload or start.
    pub fn configure(&self, toml: &str) {
        configure(self.folder.path(), toml);
    }

    /// Waits until `/readyz` says so: MongoDB is reached in the background.
    fn wait_until_ready(&self) {
        let started = Instant::now();
        while self.admin().get("/readyz", None).0 != 200 {
            assert!(started.elapsed() < DEADLINE, "it is not ready:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Starts a daemon that is configured by these variables alone, but for its addresses.
    pub fn start_node(variables: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let own = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
        let variables = variables.iter().map(own).collect();
        Self::spawned(Path::new(env!("CARGO_BIN_EXE_confab")), folder, variables)
    }

    /// Another node of the same chat, with the same configuration; `None` on the embedded store,
    /// which has one node.
    pub fn another_node(&self) -> Option<Self> {
        Backends::wanted()?;
        let folder = tempfile::tempdir().expect("a temporary folder");
        let node = Self::spawned(&self.program, folder, self.variables.clone());
        node.wait_until_ready();
        Some(node)
    }

    /// Starts a daemon with this configuration and these variables. With a folder for its `data`,
    /// it is always on the embedded store.
    pub fn start_with(toml: &str, data: Option<&Path>, more: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        configure(folder.path(), toml);
        let own = folder.path().join("data");
        let path = |path: &Path| path.display().to_string();
        let mut variables = vec![
            ("CONFAB_CONFIG".to_owned(), path(&folder.path().join("confab.toml"))),
            ("CONFAB_STORE__PATH".to_owned(), path(data.unwrap_or(&own))),
        ];
        variables.extend(more.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())));
        let backends = Backends::wanted().filter(|_| data.is_none());
        variables.extend(backends.into_iter().flat_map(Backends::variables));
        let daemon = Self::spawned(Path::new(env!("CARGO_BIN_EXE_confab")), folder, variables);
        daemon.wait_until_ready();
        daemon
    }

    /// Starts a daemon that may have this many file descriptors.
    pub fn start_limited(descriptors: usize, toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (program, script) = (env!("CARGO_BIN_EXE_confab"), folder.path().join("limited"));
        let limited = format!("#!/bin/sh\nulimit -n {descriptors}\nexec '{program}'\n");
        fs::write(&script, limited).expect("written");
        let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
        fs::set_permissions(&script, executable).expect("executable");
        Self::start_program(&script, toml)
    }

    fn spawned(program: &Path, folder: TempDir, variables: Vec<(String, String)>) -> Self {
        let listen = variables.iter().find(|(name, _)| name == LISTEN);
        let listen = listen.map_or("127.0.0.1:0", |(_, listen)| listen).to_owned();
        let (child, public, admin) = spawn(program, folder.path(), &listen, &variables);
        Self { program: program.into(), variables, child, folder, public, admin }
    }

    /// Starts it again, after it ended, on the same port and data.
    pub fn start_again(&mut self) {
        let (child, public, admin) =
            spawn(&self.program, self.folder.path(), &self.public, &self.variables);
        (self.child, self.public, self.admin) = (child, public, admin);
        if Backends::wanted().is_some() {
            self.wait_until_ready();
        }
    }

    /// Ends it as systemd would, or by a crash, and starts it again on the same port and data.
    pub fn restart(&mut self, crash: bool) {
        if crash {
            self.kill();
        } else {
            assert!(self.stop().success(), "{}", self.log());
        }
        self.start_again();
    }

    /// A variable that it was started with.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.iter().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    /// A command for the built program, with the variables that the daemon was started with.
    pub fn command(&self) -> Command {
        let mut command = confab();
        command.envs(self.variables.iter().cloned()).current_dir(self.folder.path());
        command
    }

    /// The folder that holds the configuration, `data`, and the log.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The public listener's `host:port`.
    pub fn address(&self) -> &str {
        &self.public
    }

    /// A URL on the public listener.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.public)
    }

    /// A client for HTTP calls.
    pub fn http(&self) -> Http {
        Http::new(&self.public)
    }

    /// Registers a user and connects a session of theirs.
    pub async fn client(&self, name: &str) -> Client {
        let account = self.http().register(name);
        Client::connect(&self.public, &account).await
    }

    /// What `/metrics` says.
    pub fn metrics(&self) -> String {
        Http::new(&self.admin).get("/metrics", None).1
    }

    /// The value of one metric; 0 when it was never counted.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().expect("a number"))
    }

    /// An HTTP client for the admin listener.
    pub fn admin(&self) -> Http {
        Http::new(&self.admin)
    }

    /// The admin listener's `host:port`.
    pub fn admin_address(&self) -> &str {
        &self.admin
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Stops it as systemd would, and says how it ended.
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("TERM");
        self.ended()
    }

    /// Kills it without warning.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("waited");
    }

    /// Waits until it has ended.
    pub fn ended(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waited") {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the daemon did not end:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log());
        }
    }
}

/// Writes `confab.toml`. At the end of the file passwords are cheap, and the store may take its
/// time, unless there are an `[auth]` and a `[store]` already.
fn configure(folder: &Path, toml: &str) {
    let auth = if toml.contains("[auth]") { "" } else { FAST };
    let store = if toml.contains("[store") { "" } else { PATIENT };
    fs::write(folder.join("confab.toml"), format!("{toml}\n{auth}{store}")).expect("written");
}

/// A command for the built program, without any of this process's variables.
pub fn confab() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
    command.env_clear();
    command
}

fn spawn(
    program: &Path,
    folder: &Path,
    listen: &str,
    variables: &[(String, String)],
) -> (Child, String, String) {
    let log = fs::OpenOptions::new().append(true).create(true).open(folder.join("log"));
    let mut child = Command::new(program)
        .env_clear()
        .envs(variables.iter().cloned())
        .env(LISTEN, listen)
        .env("CONFAB_SERVER__ADMIN_LISTEN", "127.0.0.1:0")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.expect("a log"))
        .spawn()
        .expect("the daemon starts");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut find = |mark: &str| loop {
        match lines.next() {
            Some(line) => {
                if let Some(address) = line.expect("text").trim().strip_prefix(mark) {
                    return address
                        .trim()
                        .trim_start_matches("http://")
                        .trim_start_matches("https://")
                        .to_owned();
                }
            }
            None => {
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                panic!("the daemon ended before it said \"{mark}\":\n{log}");
            }
        }
    };
    let (public, admin) = (find("listening on"), find("admin on"));
    (child, public, admin)
}
