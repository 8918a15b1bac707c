//! A daemon with a name, and an ACME server that is there or not.

use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{
    pebble::{Pebble, Place},
    support::{Client, Daemon, Http, wait},
    visitor::Visitor,
};

/// The names of the daemon.
pub const NAMES: [&str; 2] = ["chat.example.test", "www.example.test"];

/// A daemon, the place of an ACME server, and the folder in which the daemon keeps what it gets.
pub struct World {
    pub place: Place,
    pub daemon: Daemon,
    folder: TempDir,
}

impl World {
    /// A daemon that has got nothing yet.
    pub fn start() -> Self {
        Self::start_with("kept", |_| {})
    }

    /// The same with another folder in which to keep things, which `prepare` may fill.
    pub fn start_with(name: &str, prepare: impl FnOnce(&Path)) -> Self {
        let (place, folder) = (Place::new(), tempfile::tempdir().expect("a folder"));
        let path = folder.path().join(name);
        let port = place.directory();
        let port = port.trim_start_matches("https://127.0.0.1:").trim_end_matches("/dir");
        prepare(&path.join(format!("127.0.0.1-{port}-dir-")));
        let daemon = Daemon::start(&toml(&place, &path));
        Self { place, daemon, folder }
    }

    /// Starts Pebble, which refuses so many percent of good requests.
    pub async fn pebble(&self, refused: u32) -> Pebble {
        let port = self.daemon.address().rsplit_once(':').expect("a port").1;
        self.place.start(port.parse().expect("a number"), refused).await
    }

    /// How many orders ended in this way.
    pub fn orders(&self, result: &str) -> f64 {
        self.daemon.metric(&format!("confab_tls_acme_orders_total{{result=\"{result}\"}}"))
    }

    /// How many handshakes ended in this way.
    pub fn handshakes(&self, result: &str) -> f64 {
        self.daemon.metric(&format!("confab_tls_handshakes_total{{result=\"{result}\"}}"))
    }

    /// Waits until so many orders ended in this way.
    pub async fn until(&self, result: &str, orders: f64) {
        wait::until(&format!("{orders} orders end in {result}"), async || {
            (self.orders(result) >= orders).then_some(())
        })
        .await;
    }

    /// How often the daemon has logged this.
    pub fn said(&self, what: &str) -> usize {
        self.daemon.log().matches(what).count()
    }

    /// The folder that was given by name.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

fn toml(place: &Place, folder: &Path) -> String {
    format!(
        "[server.tls.acme]\ndomains = {NAMES:?}\naccept_terms = true\ncontact = \"a@example.test\"\n\
         directory = \"{}\"\nroot_file = \"{}\"\nfolder = \"{}\"\n\
         backoff = \"100ms\"\nmax_backoff = \"200ms\"\n",
        place.directory(),
        place.authority.file().display(),
        folder.display()
    )
}

/// A session of a new user, within TLS.
pub async fn session(visitor: &Visitor, address: &str, user: &'static str) -> Client {
    let tunnel = visitor.tunnel(address, NAMES[0]).await;
    let http = tunnel.clone();
    let account = tokio::task::spawn_blocking(move || Http::new(&http).register(user));
    Client::connect(&tunnel, &account.await.expect("registered")).await
}
