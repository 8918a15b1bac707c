//! A service manager that only listens: what systemd would be told.

use std::{
    os::unix::net::UnixDatagram,
    time::{Duration, Instant},
};

use tempfile::TempDir;

use crate::support::wait::DEADLINE;

/// Its socket, and its service's runtime folder.
pub struct Manager {
    socket: UnixDatagram,
    folder: TempDir,
}

impl Manager {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let socket = UnixDatagram::bind(folder.path().join("notify")).unwrap();
        Self { socket, folder }
    }

    /// A path in its folder.
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// What it tells a service of itself.
    pub fn variables(&self) -> [(String, String); 2] {
        let runtime = self.folder.path().display().to_string();
        [("NOTIFY_SOCKET".into(), self.path("notify")), ("RUNTIME_DIRECTORY".into(), runtime)]
    }

    /// The next message, if one comes within `time`.
    pub fn within(&self, time: Duration) -> Option<String> {
        self.socket.set_read_timeout(Some(time)).unwrap();
        let mut bytes = [0; 4096];
        let length = self.socket.recv(&mut bytes).ok()?;
        Some(String::from_utf8(bytes[..length].to_vec()).unwrap())
    }

    /// Waits for a message with this line; gives all of it.
    pub fn told(&self, line: &str) -> String {
        let started = Instant::now();
        let mut heard = Vec::new();
        while started.elapsed() < DEADLINE {
            let Some(message) = self.within(Duration::from_millis(100)) else { continue };
            if message.lines().any(|told| told.starts_with(line)) {
                return message;
            }
            heard.push(message);
        }
        panic!("not told {line}, but {heard:?}");
    }

    /// Forgets what it was told so far.
    pub fn forget(&self) {
        while self.within(Duration::from_millis(1)).is_some() {}
    }
}

/// The value of a line.
pub fn value<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    line.unwrap_or_else(|| panic!("no {name} in {message:?}"))
}
