//! A MongoDB of one test's own, which it may kill: the program that `CONFAB_MONGOD` names, on a
//! free port, in a temporary folder, ended when it is dropped.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    net::TcpListener,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mongodb::{
    Client,
    bson::{Document, doc},
    options::ClientOptions,
};
use tempfile::TempDir;

/// How long any server may take to come up. Long, because machines are slow at times.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server.
pub struct Mongod {
    folder: TempDir,
    host: String,
    port: u16,
    /// What its command line begins with.
    command: Vec<String>,
    arguments: Vec<String>,
    process: Option<Child>,
    is_member: bool,
}

impl Mongod {
    /// A replica set of one member, which is its primary.
    pub async fn replica_set() -> Self {
        Self::replica_set_at("127.0.0.1", &[]).await
    }

    /// The same at this address, by a command that runs others, such as in a namespace.
    pub async fn replica_set_at(host: &str, command: &[&str]) -> Self {
        let mut server = Self::new(&["--replSet", "rs0", "--oplogSize", "64"], true);
        server.host = host.to_owned();
        server.command = command.iter().map(|&word| word.to_owned()).collect();
        server.start();
        let member = doc! { "_id": 0, "host": format!("{host}:{}", server.port) };
        let set = doc! { "_id": "rs0", "members": [member] };
        let initiate = doc! { "replSetInitiate": set };
        let client = server.direct().await;
        until(|| async { client.database("admin").run_command(initiate.clone()).await.ok() }).await;
        server.wait().await;
        server
    }

    /// A server without a replica set.
    pub async fn standalone(more: &[&str]) -> Self {
        let mut server = Self::new(more, false);
        server.start();
        server.wait().await;
        server
    }

    /// A port on which a server will be started later.
    pub fn later() -> Self {
        Self::new(&[], false)
    }

    fn new(more: &[&str], is_member: bool) -> Self {
        // The kernel does not give a port again soon, so it is free until the server takes it.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let arguments = more.iter().map(|&argument| argument.to_owned()).collect();
        Self {
            folder: tempfile::tempdir().unwrap(),
            host: "127.0.0.1".to_owned(),
            port,
            command: Vec::new(),
            arguments,
            process: None,
            is_member,
        }
    }

    /// Starts the server; again on the same port and data after it was killed.
    pub fn start(&mut self) {
        let program = std::env::var("CONFAB_MONGOD").expect(
            "CONFAB_MONGOD is not set: this test needs a mongod to kill, and tests/run fetches one",
        );
        assert!(self.process.is_none(), "it runs");
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let words: Vec<String> = self.command.iter().cloned().chain([program]).collect();
        let process = Command::new(&words[0])
            .args(&words[1..])
            .args(["--bind_ip", &self.host, "--nounixsocket", "--wiredTigerCacheSizeGB", "0.25"])
            .args(["--setParameter", "diagnosticDataCollectionEnabled=false"])
            .args(["--port", &self.port.to_string(), "--dbpath"])
            .arg(self.folder.path())
            .args(&self.arguments)
            .stdout(Stdio::from(log))
            .spawn();
        self.process = Some(process.unwrap());
    }

    /// Waits until it takes writes.
    pub async fn wait(&self) {
        let client = self.direct().await;
        let database = client.database("admin");
        until(|| async {
            let hello: Document = database.run_command(doc! { "hello": 1 }).await.ok()?;
            hello.get_bool("isWritablePrimary").ok().filter(|is_primary| *is_primary)
        })
        .await;
    }

    /// Ends it as a loss of power does.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.kill().unwrap();
            process.wait().unwrap();
        }
    }

    /// Stops it, so that it neither answers nor closes anything, until [`go_on`](Self::go_on).
    pub fn stop(&self) {
        self.signal("-STOP");
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let id = self.process.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// How clients reach it.
    pub fn uri(&self) -> String {
        let set = if self.is_member { "?replicaSet=rs0" } else { "" };
        format!("mongodb://{}:{}/{set}", self.host, self.port)
    }

    /// How this user reaches it.
    pub fn uri_as(&self, user: &str, password: &str) -> String {
        format!("mongodb://{user}:{password}@{}:{}/?authSource=admin", self.host, self.port)
    }

    /// Has it carry out a command of administrators.
    pub async fn admin(&self, command: Document) {
        self.direct().await.database("admin").run_command(command).await.unwrap();
    }

    async fn direct(&self) -> Client {
        let uri = format!("mongodb://{}:{}/?directConnection=true", self.host, self.port);
        let mut options = ClientOptions::parse(uri).await.unwrap();
        options.server_selection_timeout = Some(Duration::from_secs(5));
        Client::with_options(options).unwrap()
    }
}

impl Drop for Mongod {
    fn drop(&mut self) {
        self.kill();
    }
}

async fn until<T, F: Future<Output = Option<T>>>(mut check: impl FnMut() -> F) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = check().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "the server did not come up");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
