//! The journal gets entries with fields. It is one of the test's own, in a mount namespace, for
//! which the test runs as root.

use std::{os::unix::net::UnixDatagram, path::Path, time::Instant};

use crate::support::{Daemon, wait::DEADLINE};

/// Entries of a journal.
struct Journal(UnixDatagram);

impl Journal {
    /// The entry that has this field, and those before it.
    fn until(&self, field: &str) -> Vec<String> {
        let (began, mut entries, mut buffer) = (Instant::now(), Vec::new(), vec![0; 1 << 16]);
        while began.elapsed() < DEADLINE {
            let Ok(length) = self.0.recv(&mut buffer) else { continue };
            let entry = String::from_utf8(buffer[..length].to_vec()).expect("UTF-8");
            let found = entry.lines().any(|line| line == field);
            entries.push(entry);
            if found {
                return entries;
            }
        }
        panic!("no {field} in {entries:#?}");
    }
}

/// A program that starts the daemon where the journal's socket is this one, and standard error
/// as well, as far as it knows; or where there is no journal.
fn with_journal(folder: &Path, socket: Option<&Path>) -> std::path::PathBuf {
    let script = folder.join("with-journal");
    let journal = socket.map_or_else(String::new, |socket| {
        format!(
            "mkdir -p /run/systemd/journal\n: >/run/systemd/journal/socket\n\
             mount --bind '{}' /run/systemd/journal/socket\n\
             JOURNAL_STREAM=$(stat -Lc %d:%i /proc/$$/fd/2)\nexport JOURNAL_STREAM\n",
            socket.display()
        )
    });
    let lines = format!(
        "#!/bin/sh\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nset -e\n\
         if [ -z \"$INSIDE\" ]; then INSIDE=1 exec unshare --mount \"$0\"; fi\n\
         mount -t tmpfs tmpfs /run\n{journal}exec '{}'\n",
        env!("CARGO_BIN_EXE_confab")
    );
    std::fs::write(&script, lines).unwrap();
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&script, executable).unwrap();
    script
}

#[test]
fn the_journal_gets_entries_with_fields() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("socket");
    let journal = Journal(UnixDatagram::bind(&socket).unwrap());
    journal.0.set_read_timeout(Some(std::time::Duration::from_millis(100))).unwrap();
    let program = with_journal(folder.path(), Some(&socket));
    for format in ["journald", "auto"] {
        let log = format!("[log]\nformat = \"{format}\"\nlevel = \"info,confab=debug\"\n");
        let mut daemon = Daemon::start_program(&program, &log);
        let started = journal.until("CONFAB_GENERATION=1").pop().unwrap();
        assert!(started.starts_with("MESSAGE=started version="), "{started}");
        assert!(started.contains("\nPRIORITY=6\nSYSLOG_IDENTIFIER=confab\n"), "{started}");
        assert!(started.contains("\nCONFAB_TARGET=confab::app\n"), "{started}");
        // A name that would forge an entry is no name, and its line would be one line.
        let body = r#"{"username":"a\nPRIORITY=0","password":"x"}"#;
        daemon.http().post("/login", "application/json", body);
        let entries = journal.until("CONFAB_PATH=/login");
        assert!(entries.iter().all(|entry| !entry.contains("\nPRIORITY=0")), "{entries:#?}");
        assert_eq!(daemon.log(), "", "nothing goes to standard error");
        assert!(daemon.stop().success());
        journal.until("CONFAB_CUT_OFF=0");
    }
}

#[test]
fn without_a_journal_the_log_goes_to_standard_error() {
    let folder = tempfile::tempdir().unwrap();
    let program = with_journal(folder.path(), None);
    let mut daemon = Daemon::start_program(&program, "[log]\nformat = \"journald\"\n");
    assert!(daemon.stop().success());
    assert!(daemon.log().contains("the journal cannot be reached"), "{}", daemon.log());
    let mut daemon = Daemon::start_program(&program, "[log]\nformat = \"auto\"\n");
    assert!(daemon.stop().success());
    let log = daemon.log();
    assert!(log.contains("started") && !log.contains("cannot be reached"), "{log}");
}
