//! A real Redis on a free port, in a folder of its own.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use super::wait::DEADLINE;

/// The variable that names the program `redis-server`.
const PROGRAM: &str = "CONFAB_REDIS_SERVER";

/// The variable that names a running server which tests may share.
const SHARED: &str = "CONFAB_TEST_REDIS_URL";

/// The URL of the server that tests share.
///
/// # Panics
/// When there is none: a test that did not run must not look like one that passed.
pub fn shared_url() -> String {
    std::env::var(SHARED).unwrap_or_else(|_| {
        panic!("set {SHARED} to the URL of a Redis for tests, such as redis://127.0.0.1:6379")
    })
}

/// A server of one test; ended when dropped.
pub struct RedisServer {
    child: Option<Child>,
    folder: TempDir,
    host: String,
    port: u16,
    /// What its command line begins with.
    command: Vec<String>,
    options: Vec<String>,
}

impl RedisServer {
    /// Starts a server.
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts a server with more options, as on its command line.
    ///
    /// # Panics
    /// When the program is not named or does not start.
    pub fn with(options: &[&str]) -> Self {
        Self::at("127.0.0.1", &[], options)
    }

    /// Starts a server at this address, by a command that runs others, such as in a namespace.
    ///
    /// # Panics
    /// When the program is not named or does not start.
    pub fn at(host: &str, command: &[&str], options: &[&str]) -> Self {
        let own = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let program = std::env::var(PROGRAM).unwrap_or_else(|_| {
            panic!("set {PROGRAM} to the program redis-server, such as /usr/bin/redis-server")
        });
        let mut server = Self {
            child: None,
            folder: tempfile::tempdir().expect("a temporary folder"),
            host: host.to_owned(),
            port: free_port(),
            command: own(&[command, &[&program]].concat()),
            options: own(options),
        };
        server.start_again();
        server
    }

    /// Starts it again on the same port.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start_again(&mut self) {
        assert!(self.child.is_none(), "it runs");
        let port = self.port.to_string();
        let child = Command::new(&self.command[0])
            .args(&self.command[1..])
            .args([
                "--port",
                &port,
                "--bind",
                self.bind(),
                "--protected-mode",
                "no",
                "--save",
                "",
                "--appendonly",
                "no",
            ])
            .arg("--dir")
            .arg(self.folder.path())
            .arg("--logfile")
            .arg(self.log())
            .args(&self.options)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("redis-server starts");
        self.child = Some(child);
        let started = Instant::now();
        while self.try_command("PING").is_none() {
            let log = std::fs::read_to_string(self.log()).unwrap_or_default();
            assert!(started.elapsed() < DEADLINE, "redis-server does not answer:\n{log}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// In a network of its own it listens on every wire.
    fn bind(&self) -> &str {
        if self.host == "127.0.0.1" { &self.host } else { "*" }
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    /// Its URL, without a user.
    pub fn url(&self) -> String {
        format!("redis://{}:{}", self.host, self.port)
    }

    /// Its URL for a user: `name:password`.
    pub fn url_for(&self, user: &str) -> String {
        format!("redis://{user}@{}:{}", self.host, self.port)
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            // A stopped process is killed as well.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Stops it where it stands, as if the machine were frozen.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().expect("it runs").id().to_string();
        let sent = Command::new("kill").args([&format!("-{name}"), &id]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Sends commands, one a line, and returns the answers as they come.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn command(&self, commands: &str) -> String {
        self.try_command(commands).expect("an answer")
    }

    fn try_command(&self, commands: &str) -> Option<String> {
        let mut stream = TcpStream::connect((&*self.host, self.port)).ok()?;
        stream.set_read_timeout(Some(DEADLINE)).ok()?;
        stream.write_all(format!("{commands}\r\nQUIT\r\n").as_bytes()).ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        (!answer.is_empty()).then(|| String::from_utf8_lossy(&answer).into_owned())
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
