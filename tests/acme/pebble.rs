//! Pebble, a real ACME server, on ports of its own.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::json;
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    names,
    support::{certificates::Authority, wait},
};

/// Where Pebble is, or will be: its ports, and who vouches for it.
pub struct Place {
    pub authority: Authority,
    port: u16,
    management: u16,
}

/// A running Pebble; killed when dropped.
pub struct Pebble {
    child: Child,
    folder: TempDir,
    management: String,
}

impl Place {
    pub fn new() -> Self {
        Self { authority: Authority::new(), port: free_port(), management: free_port() }
    }

    /// The address of its directory.
    pub fn directory(&self) -> String {
        format!("https://127.0.0.1:{}/dir", self.port)
    }

    /// Starts a Pebble without any memory, which asks on this port whose a name is, and refuses so
    /// many percent of good requests (`badNonce`).
    pub async fn start(&self, asked: u16, refused: u32) -> Pebble {
        let folder = tempfile::tempdir().expect("a folder");
        let own = self.authority.issue("pebble", 30);
        let listen = |port| format!("127.0.0.1:{port}");
        let config = json!({ "pebble": {
            "listenAddress": listen(self.port), "managementListenAddress": listen(self.management),
            "certificate": own.certificate, "privateKey": own.key,
            "httpPort": 1, "tlsPort": asked,
            "ocspResponderURL": "", "externalAccountBindingRequired": false,
        } });
        let file = folder.path().join("config.json");
        fs::write(&file, config.to_string()).expect("written");
        let log = File::create(folder.path().join("log")).expect("a log");
        let child = Command::new("pebble")
            .arg("-config")
            .arg(&file)
            .args(["-dnsserver", &names::serve().to_string()])
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env("PEBBLE_WFE_NONCEREJECT", refused.to_string())
            .env("PEBBLE_AUTHZREUSE", "0")
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log"))
            .stderr(log)
            .spawn()
            .expect("pebble starts: run tests/run");
        let mut pebble = Pebble { child, folder, management: listen(self.management) };
        for address in [listen(self.port), listen(self.management)] {
            wait::until("Pebble listens", async || {
                let ended = pebble.child.try_wait().expect("waited");
                assert!(ended.is_none(), "Pebble ended:\n{}", pebble.log());
                TcpStream::connect(&address).await.ok()
            })
            .await;
        }
        pebble
    }
}

impl Pebble {
    /// The root that its certificates lead to, in PEM: another at each start.
    pub async fn root(&self, place: &Place) -> String {
        let mut stream = place.authority.connect(&self.management).await.expect("connected");
        let request = b"GET /roots/0 HTTP/1.0\r\nHost: localhost\r\n\r\n";
        stream.write_all(request).await.expect("written");
        let mut answer = Vec::new();
        // Go may end TLS without a word.
        let _ = stream.read_to_end(&mut answer).await;
        let answer = String::from_utf8(answer).expect("text");
        let begin = answer.find("-----BEGIN").expect("PEM");
        answer[begin..].to_owned()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        let path: &Path = self.folder.path();
        fs::read_to_string(path.join("log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            println!("Pebble's log:\n{}", self.log());
        }
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}
