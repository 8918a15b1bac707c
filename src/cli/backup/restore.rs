//! `confab restore`: a backup in the place of the embedded store.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;

use super::{embedded, failed, report, run_task};
use crate::{auth::secret_key_files, config::Config, store::sqlite::backup};

/// The help of the command.
pub(in crate::cli) const ABOUT: &str = "\
Puts a backup of confab backup in the place of the embedded store (store.path), whose daemon must be \
stopped. The backup is checked first, and brought up to date if an older confab made it; that of a \
newer one is refused. The file stays as it is.

With --force, what is in the folder already is kept in a folder beside it, before-restore-….

Sessions that were ended and passwords that were changed since the backup are as they were then: \
see docs/backup.md.";

/// The arguments.
#[derive(Debug, Args)]
pub(in crate::cli) struct Restore {
    /// The backup
    file: PathBuf,
    /// Move aside what is in the folder already
    #[arg(long)]
    force: bool,
    /// Leave the secret key of the backup out, and the previous ones
    #[arg(long)]
    without_key: bool,
    /// Tell what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(in crate::cli) fn run(config: &Config, what: &Restore) -> ExitCode {
    let began = Instant::now();
    let (folder, wait) = (config.store.path.clone(), config.store.timeout.0);
    let done = embedded(config, "mongorestore").and_then(|()| {
        let (file, replace, key) = (what.file.clone(), what.force, !what.without_key);
        let folder = folder.clone();
        run_task(move |task| {
            let names: Vec<_> = secret_key_files().collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            let beside = if key { &names[..] } else { &[] };
            let (folder, backup) = (folder.as_path(), file.as_path());
            backup::restore(backup::Restore { folder, backup, beside, replace, wait }, &task)
        })
    });
    match done {
        Ok(restored) => {
            let seconds = began.elapsed().as_secs_f64();
            report::restored(&what.file, &folder, &restored, seconds, what.json)
        }
        Err(why) => failed(&why),
    }
}
