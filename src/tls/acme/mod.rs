//! Certificates from an ACME server (RFC 8555), such as Let's Encrypt: got, kept and renewed.

mod client;
mod folder;
mod order;
mod schedule;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use metrics::{Counter, counter};
use tokio::{
    task::spawn_blocking,
    time::{sleep, timeout},
};

use self::{client::Client, folder::Folder, order::Issued};
use super::{Bad, Pair, Server, pair::date};

/// The most characters of a reason: part of it is what a server says.
const MAX_REASON: usize = 500;

/// Where certificates come from, and for what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acme {
    /// The names that the certificate is for, in lower case; at least one.
    pub domains: Vec<String>,
    /// Whom the server may write to: an e-mail address.
    pub contact: Option<String>,
    /// The server's directory: an https:// URL.
    pub directory: String,
    /// Where the account and the certificate are kept, in a folder of each server.
    pub folder: PathBuf,
    /// Authorities that the server's own certificate may come from, beside those of the machine.
    pub root_file: Option<PathBuf>,
    /// How long an order may take.
    pub timeout: Duration,
    /// How much of the lifetime is left when a certificate is renewed, in percent.
    pub renew_percent: u32,
    /// The pause after a first failure.
    pub backoff: Duration,
    /// The longest pause after a failure.
    pub max_backoff: Duration,
}

/// The certificate that is kept, and its key; `None` if there is none. Reads files: not for an
/// async thread.
///
/// # Errors
/// When it is no good.
pub fn stored(acme: &Acme) -> Result<Option<Pair>, Bad> {
    Folder::of(&acme.folder, &acme.directory).pair()
}

/// Checks the file of `root_file`. Reads it: not for an async thread.
///
/// # Errors
/// What is wrong, with its path.
pub fn trusted(root_file: &Path) -> Result<(), String> {
    client::roots_of(root_file).map(drop)
}

/// Gets certificates for `server` and renews them, for ever.
pub async fn keep(server: Arc<Server>, acme: Acme) {
    let orders = |result| counter!("confab_tls_acme_orders_total", "result" => result);
    let (came, failed) = (orders("success"), orders("failure"));
    came.absolute(0);
    failed.absolute(0);
    let domains = acme.domains.join(" ");
    if server.pair().is_none() {
        let directory = &acme.directory;
        tracing::info!(domains, directory, "waits for its first certificate: until then no TLS");
    }
    let mut trouble = Trouble { failed, last: None, failures: 0 };
    let mut next = server
        .pair()
        .filter(|pair| covers(pair, &acme))
        .map_or(0, |pair| schedule::renewal(&pair, acme.renew_percent));
    loop {
        schedule::sleep_until(next).await;
        let (ordered, put_off) = attempt(&acme, &server).await;
        let why = match ordered {
            Ok(Issued { pair, unkept }) => {
                came.increment(1);
                next = schedule::renewal(&pair, acme.renew_percent);
                let good_until = date(pair.not_after());
                server.take(pair);
                if let Some(why) = unkept {
                    let folder = acme.folder.display();
                    tracing::error!(%folder, why, "a certificate is lost with this process");
                }
                // Otherwise one would be ordered after the other.
                if next > schedule::now() {
                    trouble.ended();
                    continue;
                }
                format!("the certificate that came is good until {good_until}: see to the clock")
            }
            Err(why) => why,
        };
        trouble.tell(&why, &domains, &server);
        let pause =
            schedule::pause(trouble.failures, acme.backoff, acme.max_backoff, rand::random());
        sleep(pause.max(put_off.unwrap_or_default())).await;
    }
}

/// Whether the certificate is for all that it should be for.
fn covers(pair: &Pair, acme: &Acme) -> bool {
    acme.domains.iter().all(|domain| pair.covers(domain))
}

/// Orders a certificate, and says for how long the server wants no other order.
async fn attempt(acme: &Acme, server: &Server) -> (Result<Issued, String>, Option<Duration>) {
    let root_file = acme.root_file.clone();
    // Each time anew: the authorities of a machine change.
    let client = spawn_blocking(move || Client::new(root_file.as_deref())).await;
    let client = match client.map_err(|error| error.to_string()) {
        Ok(Ok(client)) => client,
        Ok(Err(why)) | Err(why) => return (Err(why), None),
    };
    let ordered = timeout(acme.timeout, order::order(acme, &client, server)).await;
    let late = || format!("no certificate within {}", confab_plugin::Duration(acme.timeout));
    (ordered.unwrap_or_else(|_| Err(late())), client.put_off())
}

/// Failures in a row.
struct Trouble {
    failed: Counter,
    last: Option<String>,
    failures: u32,
}

impl Trouble {
    /// Counts a failure, and tells of it unless it is that of before.
    fn tell(&mut self, why: &str, domains: &str, server: &Server) {
        self.failed.increment(1);
        self.failures = self.failures.saturating_add(1);
        if self.last.as_deref() == Some(why) {
            return;
        }
        let good_until = server.pair().map(|pair| date(pair.not_after()));
        let reason: String = why.escape_debug().take(MAX_REASON).collect();
        tracing::error!(why = reason, domains, good_until, "no certificate: it is tried again");
        self.last = Some(why.to_owned());
    }

    fn ended(&mut self) {
        (self.last, self.failures) = (None, 0);
    }
}
