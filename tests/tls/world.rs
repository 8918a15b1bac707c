//! A daemon that speaks TLS.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::support::{
    Daemon,
    certificates::{Authority, Issued},
};

/// A daemon, who vouches for it, and the files that it reads.
pub struct World {
    pub authority: Authority,
    pub daemon: Daemon,
    files: tempfile::TempDir,
}

impl World {
    /// With `more` below `[server.tls]`, which may begin other tables.
    pub fn start(more: &str) -> Self {
        let authority = Authority::new();
        let files = tempfile::tempdir().expect("a folder");
        let world = authority.issue("first", 30);
        put(files.path(), &world);
        let daemon = Daemon::start(&toml(files.path(), more));
        Self { authority, daemon, files }
    }

    /// The two files that the configuration names.
    pub fn files(&self) -> (PathBuf, PathBuf) {
        (self.files.path().join("fullchain.pem"), self.files.path().join("privkey.pem"))
    }

    /// Puts another pair in place, as a renewal does.
    pub fn renew(&self, issued: &Issued) {
        put(self.files.path(), issued);
    }

    /// Configures the daemon for the next reload.
    pub fn configure(&self, more: &str) {
        self.daemon.configure(&toml(self.files.path(), more));
    }
}

fn put(folder: &Path, issued: &Issued) {
    // In one step each.
    for (from, name) in [(&issued.certificate, "fullchain.pem"), (&issued.key, "privkey.pem")] {
        fs::copy(from, folder.join("new")).expect("copied");
        fs::rename(folder.join("new"), folder.join(name)).expect("moved");
    }
}

fn toml(folder: &Path, more: &str) -> String {
    format!(
        "[server.tls]\ncertificate_file = \"{0}/fullchain.pem\"\nkey_file = \"{0}/privkey.pem\"\n{more}",
        folder.display()
    )
}
