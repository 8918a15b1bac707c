//! A look at the MongoDB that the configuration names, which changes nothing there.
//!
//! Each thing is asked with its own time limit, `store.mongo.operation_timeout`, so that one that
//! cannot be had does not hide the others. Nothing is written, so whether a write would succeed
//! is told from rights and members alone.

mod contents;
mod reach;
mod rights;
mod server;

use std::time::Duration;

use mongodb::{
    bson::{Document, doc},
    error::Error,
    options::{ClientOptions, ReadPreference, SelectionCriteria, ServerAddress, Tls},
};
use tokio::time::timeout;

use self::rights::Rights;
use super::{
    connect::{Settings, Space},
    errors::{UNAUTHORIZED, code, one_line},
};
use crate::{
    config,
    probe::{Report, is_loopback, network_advice},
};

/// Looks at the server, the user's rights, and the database that `config` names.
///
/// Takes at most some few times the configured timeouts.
pub async fn probe(config: &config::Mongo) -> Report {
    let settings = match Settings::of(config) {
        Ok(settings) => settings,
        Err(error) => {
            let mut report = Report::on("MongoDB");
            report.fail("settings", error, "correct it: nothing was asked");
            return report;
        }
    };
    let layout = if settings.layout.is_per_pair() { "per_pair" } else { "single" };
    let mut report = Report::on(&format!(
        "MongoDB at {}, database {}, layout {layout}",
        settings.place(),
        config.database
    ));
    let limit = config.server_selection_timeout.0;
    let options = match timeout(limit, settings.options()).await {
        Ok(Ok(options)) => options,
        failed => {
            let why = failed.map_or("no answer in time".to_owned(), |result| {
                result.err().map_or(String::new(), |error| one_line(&error))
            });
            report.fail("reached", &why, network_advice(&why));
            return report;
        }
    };
    let target = Target::of(&options);
    let Some((space, hello)) = reach::reach(&mut report, &settings, options).await else {
        return report;
    };
    let mut probe = Probe { space, report, target, database: config.database.clone() };
    probe.encryption();
    let rights = probe.rights().await;
    probe.version().await;
    probe.members(&hello).await;
    if !matches!(rights, Rights::None) {
        probe.contents(&rights).await;
    }
    probe.clock().await;
    probe.latency().await;
    probe.space.close().await;
    probe.report
}

/// What the URI says, as far as it may be shown.
struct Target {
    tls: Option<Tls>,
    is_local: bool,
}

impl Target {
    fn of(options: &ClientOptions) -> Self {
        let is_local = options.hosts.iter().all(|host| match host {
            ServerAddress::Tcp { host, .. } => is_loopback(host),
            _ => true,
        });
        Self { tls: options.tls.clone(), is_local }
    }
}

/// A probe of a server that answers.
struct Probe {
    space: Space,
    report: Report,
    target: Target,
    database: String,
}

/// Why something could not be had.
enum Trouble {
    /// The user may not ask this.
    Unauthorized,
    /// Something else.
    Other(String),
}

impl Trouble {
    fn of(error: &Error) -> Self {
        match code(error) {
            Some(UNAUTHORIZED) => Self::Unauthorized,
            _ => Self::Other(one_line(error)),
        }
    }

    fn text(&self) -> &str {
        match self {
            Self::Unauthorized => "this user may not ask",
            Self::Other(why) => why,
        }
    }
}

impl Probe {
    /// Waits for an answer for as long as a call of the store would.
    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send,
    ) -> Result<T, Trouble> {
        within(self.space.timeout, work).await
    }

    /// Asks the database's primary.
    async fn ask(&self, command: Document) -> Result<Document, Trouble> {
        self.within(async { self.space.database.run_command(command).await }).await
    }

    /// Asks the server itself.
    async fn ask_admin(&self, command: Document) -> Result<Document, Trouble> {
        let admin = self.space.client().database("admin");
        self.within(async { admin.run_command(command).await }).await
    }

    fn encryption(&mut self) {
        const WHAT: &str = "encryption";
        match &self.target.tls {
            Some(Tls::Enabled(tls)) if tls.allow_invalid_certificates == Some(true) => {
                self.report.warn(
                    WHAT,
                    "TLS, without checking who answers",
                    "remove tlsInsecure and tlsAllowInvalidCertificates from the URI; tlsCAFile names an \
                     authority of your own",
                );
            }
            Some(Tls::Enabled(_)) => self.report.ok(WHAT, "TLS"),
            _ if self.target.is_local => self.report.ok(WHAT, "none, on this machine"),
            _ => self.report.warn(
                WHAT,
                "none: whoever sees the network reads all messages",
                "add tls=true to the URI, unless the network is yours alone",
            ),
        }
    }
}

async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, Error>> + Send,
) -> Result<T, Trouble> {
    match timeout(limit, work).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(Trouble::of(&error)),
        Err(_) => Err(Trouble::Other("no answer within store.mongo.operation_timeout".into())),
    }
}

/// What every node does: only the primary takes writes, and shows what is newest.
fn primary() -> SelectionCriteria {
    SelectionCriteria::ReadPreference(ReadPreference::Primary)
}

fn hello() -> Document {
    doc! { "hello": 1 }
}
