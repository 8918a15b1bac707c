//! The socket of systemd's journal.

use std::{
    io,
    os::unix::{fs::MetadataExt as _, net::UnixDatagram},
    path::Path,
};

/// Where journald listens: <https://systemd.io/JOURNAL_NATIVE_PROTOCOL/>.
const SOCKET: &str = "/run/systemd/journal/socket";

/// Sends each line that is written as one entry. A journald that restarts is found again.
pub(super) struct JournalSocket(UnixDatagram);

impl JournalSocket {
    /// A socket to the journal of this machine.
    ///
    /// # Errors
    /// When there is none.
    pub(super) fn open() -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        // An empty datagram is ignored, but for whether it arrives.
        socket.send_to(b"", SOCKET)?;
        Ok(Self(socket))
    }
}

impl io::Write for JournalSocket {
    fn write(&mut self, entry: &[u8]) -> io::Result<usize> {
        if self.0.send_to(entry, Path::new(SOCKET)).is_err() {
            // The line for people, where else somebody may see it.
            let line = entry.split(|byte| *byte == b'\n').next().unwrap_or_default();
            let line = line.strip_prefix(b"MESSAGE=").unwrap_or(line);
            io::stderr().write_all(&[line, b"\n"].concat())?;
        }
        Ok(entry.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Whether standard error goes to the journal, by what systemd says of it: systemd.exec(5),
/// `$JOURNAL_STREAM`.
pub(super) fn is_on_stderr() -> bool {
    let told = std::env::var("JOURNAL_STREAM").ok();
    let stream = std::fs::metadata("/proc/self/fd/2").ok();
    let is_it = |told: &str, device: u64, inode: u64| told == format!("{device}:{inode}");
    matches!((told, stream), (Some(told), Some(it)) if is_it(&told, it.dev(), it.ino()))
}
