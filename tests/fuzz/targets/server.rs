//! A daemon in this process, for what is reached through its sockets.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    panic,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use confab::{
    app,
    config::{Environment, Flags, Sources},
    registry,
    systemd::Inherited,
};
use serde_json::Value;

/// Longer than this nothing takes, on the busiest machine.
const DEADLINE: Duration = Duration::from_secs(20);

/// The largest frame and body, in bytes: small, so that fuzzed input reaches beyond.
pub const FRAME: usize = 1024;

const CONFIG: &str = r#"
[server]
drain_grace = "1s"
[log]
level = "error"
[auth]
argon2_memory = "8MiB"
argon2_iterations = 1
[limits]
body = "1KiB"
frame = "1KiB"
content = "512B"
sync = "1KiB"
sync_messages = 4
refused_frames = 20
auth_rate = 1000000
auth_burst = 1000000
connections = 100000
connections_per_address = 100000
sessions_per_user = 10000
"#;

/// Panics on the daemon's threads since the start, whose tasks contain them.
static PANICS: AtomicUsize = AtomicUsize::new(0);

/// A running daemon.
pub struct Server {
    address: SocketAddr,
    /// A user's id, and a good token.
    pub user: String,
    pub token: String,
}

/// Started when it is first asked for; it ends with the process.
pub static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

impl Server {
    fn start() -> Self {
        let hook = panic::take_hook();
        let folder = folder();
        let file = folder.join("confab.toml");
        fs::write(&file, CONFIG).expect("a configuration");
        let (address, admin) = (free_address(), free_address());
        let flags = Flags {
            config: Some(file),
            listen: Some(address.to_string()),
            admin_listen: Some(admin.to_string()),
            data: Some(folder.join("data").display().to_string()),
            ..Flags::default()
        };
        let nothing: [(&str, &str); 0] = [];
        let environment = Environment::new(nothing, "");
        let sources = Sources { environment, flags, manifests: registry::manifests() };
        thread::spawn(move || {
            let loaded = sources.load().expect("a good configuration");
            let ended = app::run(loaded, sources, Inherited::default());
            panic!("the daemon ended: {ended:?}");
        });
        let mut server = Self { address, user: String::new(), token: String::new() };
        let body = r#"{"username":"ann","password":"correct horse battery"}"#;
        let request = format!(
            "POST /register HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n\
             content-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        );
        let answer = server.answer(request.as_bytes());
        let answer = String::from_utf8(answer).expect("text");
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let granted: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        let member = |name: &str| granted[name].as_str().expect("a text").to_owned();
        (server.user, server.token) = (member("user_id"), member("access_token"));
        // The daemon, which answers, has put its own hook in the place of whoever runs this.
        panic::set_hook(Box::new(move |info| {
            if thread::current().name().is_some_and(is_ours) {
                PANICS.fetch_add(1, Ordering::SeqCst);
            }
            hook(info);
        }));
        server
    }

    /// A new connection.
    pub fn connect(&self) -> TcpStream {
        let started = Instant::now();
        loop {
            match TcpStream::connect(self.address) {
                Ok(stream) => {
                    stream.set_read_timeout(Some(DEADLINE)).expect("a time limit");
                    stream.set_nodelay(true).expect("no delay");
                    return stream;
                }
                Err(error) if started.elapsed() > DEADLINE => panic!("no connection: {error}"),
                Err(_) => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// All that is answered to these bytes on a connection of their own, until the daemon closes
    /// it.
    pub fn answer(&self, bytes: &[u8]) -> Vec<u8> {
        let mut stream = self.connect();
        finish(&mut stream, bytes)
    }
}

/// Sends the bytes, says that there are no more, and reads until the daemon closes.
///
/// # Panics
/// When it does not, or when anything in this process panicked.
pub fn finish(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    // The daemon may have closed before it had it all: then its answer says why.
    let _ = stream.write_all(bytes);
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = Vec::new();
    if let Err(error) = stream.read_to_end(&mut answer) {
        use std::io::ErrorKind::{TimedOut, WouldBlock};
        assert!(!matches!(error.kind(), TimedOut | WouldBlock), "the daemon did not close");
    }
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "something in the daemon panicked");
    answer
}

/// A folder for this process, in memory where there is such a place: each message is synced. It
/// cannot be removed before the process ends: so the next one removes those of processes that
/// have.
fn folder() -> PathBuf {
    const PREFIX: &str = "confab-fuzz-";
    let memory = Path::new("/dev/shm");
    let temporary = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    for entry in fs::read_dir(&temporary).expect("the temporary folder").flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(PREFIX));
        if process.is_some_and(|process| !Path::new("/proc").join(process).exists()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    let folder = temporary.join(format!("{PREFIX}{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// Whether a thread is one of the daemon's.
fn is_ours(name: &str) -> bool {
    name.starts_with("confab") || name.starts_with("store")
}

fn free_address() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("an address")
}
