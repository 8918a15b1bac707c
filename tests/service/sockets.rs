//! Socket activation: the daemon serves what it is handed over, and not what its file says.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::{Http, wait::DEADLINE};

/// Starts the daemon as systemd would, with sockets of these names. The program that does it comes
/// with systemd; it listens, and starts the daemon at the first connection.
struct Activated {
    child: Child,
    folder: TempDir,
    addresses: Vec<String>,
}

fn free() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

impl Activated {
    fn start(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("confab.toml");
        let other = free();
        fs::write(
            &config,
            format!(
                "[server]\nlisten = \"{other}\"\nadmin_listen = \"{}\"\n[auth]\n\
                 argon2_memory = \"8MiB\"\nargon2_iterations = 1\n",
                free()
            ),
        )
        .unwrap();
        let addresses: Vec<_> = names.iter().map(|_| free()).collect();
        let mut command = Command::new("systemd-socket-activate");
        for address in &addresses {
            command.arg(format!("--listen={address}"));
        }
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = command
            .arg(format!("--fdname={}", names.join(":")))
            .arg(format!("--setenv=CONFAB_CONFIG={}", config.display()))
            .arg(env!("CARGO_BIN_EXE_confab"))
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("systemd-socket-activate: run tests/run");
        Self { child, folder, addresses }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap()
    }

    /// A connection, once the socket is there.
    fn connect(&self, number: usize) -> TcpStream {
        let started = Instant::now();
        loop {
            match TcpStream::connect(&self.addresses[number]) {
                Ok(stream) => return stream,
                Err(error) => assert!(started.elapsed() < DEADLINE, "{error}: {}", self.log()),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Activated {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            eprintln!("the log:\n{}", self.log());
        }
    }
}

#[test]
fn sockets_that_are_handed_over_are_served() {
    let activated = Activated::start(&["confab-admin", "confab"]);
    // This one waits while the daemon starts.
    let mut first = activated.connect(1);
    first.set_read_timeout(Some(DEADLINE)).unwrap();
    first.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let admin = Http::new(&activated.addresses[0]);
    assert_eq!(admin.get("/healthz", None).0, 200);
    Http::new(&activated.addresses[1]).register("ann");
    let log = activated.log();
    let ignored = "systemd holds the socket: the address of its unit counts";
    assert_eq!(log.matches(ignored).count(), 2, "{log}");
}

#[test]
fn a_socket_that_nobody_would_serve_is_a_wrong_configuration() {
    let mut activated = Activated::start(&["web"]);
    let _first = activated.connect(0);
    let started = Instant::now();
    let status = loop {
        if let Some(status) = activated.child.try_wait().unwrap() {
            break status;
        }
        assert!(started.elapsed() < DEADLINE);
        std::thread::sleep(Duration::from_millis(5));
    };
    assert_eq!(status.code(), Some(78));
    assert!(activated.log().contains("a socket that is called \"web\""), "{}", activated.log());
}
