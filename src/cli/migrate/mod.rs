//! `confab migrate`: from the embedded store to MongoDB, or from the seed's database.

mod report;

use std::{fmt::Display, path::PathBuf, process::ExitCode, time::Duration};

use clap::Args;

use super::{
    BAD_CONFIG, FAILURE, output,
    ticker::{Shown, Ticker},
};
use crate::{
    auth::is_password_hash,
    config::{self, Config, Loaded},
    migrate::{Comparison, Copied, Progress, compare, copy},
    shutdown,
    store::{
        StoreError,
        mongo::{MongoImport, OpenError, Seed, SeedError},
        sqlite::{self, SqliteExport},
        transfer::{Export, Import},
    },
};

/// The help of the command.
pub(super) const ABOUT: &str = "\
Copies accounts, messages, read marks and logins to the MongoDB of the configuration \
(store.mongo), and then compares both sides, message by message.

It reads the embedded store in the folder of --from, whose daemon must be stopped; or, with \
--adopt, a database that the seed's backend (FastAPI on MongoDB) wrote.

Whatever interrupts it, the same command goes on where it was. What is there already is compared \
and never overwritten, except logins, which follow the source. Ends with status 0 only if both sides hold the same.";

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Migrate {
    /// The folder of the embedded store to read; else store.path
    #[arg(long, value_name = "FOLDER", conflicts_with = "adopt")]
    from: Option<PathBuf>,
    /// Read a database that the seed's backend wrote
    #[arg(long, requires = "adopt_db")]
    adopt: bool,
    /// Where that database is, if not on the MongoDB of the configuration
    #[arg(long, value_name = "URI", requires = "adopt", env = "ADOPT_URI", hide_env_values = true)]
    adopt_uri: Option<String>,
    /// The name of that database
    #[arg(long, value_name = "NAME", requires = "adopt")]
    adopt_db: Option<String>,
    /// Say what would be done, and change nothing
    #[arg(long)]
    dry_run: bool,
}

/// Why it ended early.
enum Stopped {
    /// The configuration does not allow it.
    Config(String),
    /// One line.
    Failed(String),
}

impl Stopped {
    fn failed(why: impl Display) -> Self {
        Self::Failed(why.to_string())
    }
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Self {
        let why = match error {
            StoreError::Unavailable(why) => why,
            other => other.to_string(),
        };
        Self::Failed(format!("{why}; the same command goes on from here"))
    }
}

impl From<OpenError> for Stopped {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::NoUri => Self::Config(format!(
                "{error}: it says where to migrate to; set it, or the variable MONGO_URI"
            )),
            other => Self::Config(other.to_string()),
        }
    }
}

impl From<SeedError> for Stopped {
    fn from(error: SeedError) -> Self {
        match error {
            SeedError::Store(error) => error.into(),
            SeedError::Open(OpenError::Database(why)) => {
                Self::Failed(format!("the old database's name {why}"))
            }
            SeedError::Open(OpenError::Uri(why)) => {
                Self::Failed(format!("the old database's URI: {why}"))
            }
            other => Self::failed(other),
        }
    }
}

impl Shown for Progress {
    fn phase(&self) -> u8 {
        self.phase() as u8
    }

    fn line(&self, elapsed: Duration) -> String {
        self.line(elapsed)
    }
}

/// Runs the command.
pub(super) fn run(loaded: &Loaded, what: &Migrate) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let done = runtime.map_err(Stopped::failed).and_then(|runtime| {
        runtime.block_on(async {
            let signal = shutdown::on_signal().map_err(Stopped::failed)?;
            let work = migrate(&loaded.config, what);
            signal.run_until_cancelled(work).await.unwrap_or_else(|| {
                let why = "interrupted; the same command goes on from here";
                Err(Stopped::Failed(why.to_owned()))
            })
        })
    });
    let (why, status) = match done {
        Ok(true) => return ExitCode::SUCCESS,
        Ok(false) => return ExitCode::from(FAILURE),
        Err(Stopped::Config(why)) => (why, BAD_CONFIG),
        Err(Stopped::Failed(why)) => (why, FAILURE),
    };
    output::to_stderr(&format!("error: {why}"));
    ExitCode::from(status)
}

/// Says whether both sides hold the same.
async fn migrate(config: &Config, what: &Migrate) -> Result<bool, Stopped> {
    let mongo = &config.store.mongo;
    let target = MongoImport::connect(mongo).await?;
    let equal = if what.adopt {
        let old = config::Mongo {
            uri: what.adopt_uri.clone().map(Into::into).or_else(|| mongo.uri.clone()),
            database: what.adopt_db.clone().unwrap_or_default(),
            ..mongo.clone()
        };
        let seed = Seed::open(&old, &target, is_password_hash).await?;
        let moved = transfer(&seed, &target, mongo.lanes, what.dry_run).await;
        report::left_out(&seed);
        seed.close().await;
        moved?
    } else {
        let source = open(config, what).await?;
        transfer(&source, &target, mongo.lanes, what.dry_run).await?
    };
    target.close().await;
    Ok(equal)
}

async fn open(config: &Config, what: &Migrate) -> Result<SqliteExport, Stopped> {
    let folder = what.from.clone().unwrap_or_else(|| config.store.path.clone());
    let wait = config.store.timeout.0;
    let opened = tokio::task::spawn_blocking(move || SqliteExport::open(&folder, wait)).await;
    opened.map_err(Stopped::failed)?.map_err(|error| match error {
        sqlite::OpenError::InUse(path) => Stopped::Failed(format!(
            "a confab is running on {}: stop it first, or it would go on writing to what was \
             already copied",
            path.display()
        )),
        other => Stopped::failed(other),
    })
}

/// Copies and compares, or only says what would be copied.
async fn transfer(
    source: &dyn Export,
    target: &dyn Import,
    lanes: usize,
    dry_run: bool,
) -> Result<bool, Stopped> {
    if let Some(why) = target.objection().await? {
        return Err(Stopped::Config(why));
    }
    let progress = Progress::default();
    if dry_run {
        let would = Ticker::during(&progress, copy(source, target, lanes, true, &progress)).await?;
        report::rehearsed(&would);
        return Ok(would.conflicts.is_empty());
    }
    target.prepare().await?;
    let work = async {
        let copied = copy(source, target, lanes, false, &progress).await?;
        Ok::<(Copied, Comparison), StoreError>((
            copied,
            compare(source, target, lanes, &progress).await?,
        ))
    };
    let (copied, comparison) = Ticker::during(&progress, work).await?;
    report::migrated(&copied, &comparison);
    Ok(copied.conflicts.is_empty() && comparison.is_equal())
}
