//! `confab backup`: the embedded store in one file. What it shares with `confab restore`.

mod report;
pub(super) mod restore;

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use clap::Args;
use zeroize::Zeroizing;

use super::{FAILURE, output, ticker::Ticker};
use crate::{
    auth::secret_key_files,
    config::Config,
    shutdown,
    store::sqlite::backup::{BackupError, Beside, Task, backup},
};

/// The help of the command.
pub(super) const ABOUT: &str = "\
Copies what the embedded store keeps (store.path) to one file: accounts, messages, read marks, and \
the secret key, if the daemon made one for itself, with the previous ones that confab key rotate \
left for tokens they have signed. The daemon may run meanwhile: the copy is the \
store at one moment after the command began, with every message acknowledged by then.

The copy is checked, page by page, before it gets the name FILE; whatever happens, FILE is whole or \
not there. Only its owner can read it: keep it like the data itself.

See docs/backup.md, also for MongoDB, which has its own tools.";

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Backup {
    /// The file to write, in a folder that exists
    file: PathBuf,
    /// Replace FILE when it is there, once the new copy is whole
    #[arg(long)]
    force: bool,
    /// Leave the secret key and the previous ones out: after a restoration all must log in again,
    /// unless you keep them elsewhere
    #[arg(long)]
    without_key: bool,
    /// Tell what was done as JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
pub(super) fn run(config: &Config, what: &Backup) -> ExitCode {
    let began = Instant::now();
    let (folder, wait) = (config.store.path.clone(), config.store.timeout.0);
    let done = embedded(config, "mongodump").and_then(|()| {
        let beside = if what.without_key { Vec::new() } else { beside(&folder)? };
        let (file, force) = (what.file.clone(), what.force);
        let folder = folder.clone();
        run_task(move |task| backup(&folder, &beside, &file, force, wait, &task))
    });
    match done {
        Ok(contents) => {
            let seconds = began.elapsed().as_secs_f64();
            report::backed_up(&what.file, &folder, &contents, seconds, what.json)
        }
        Err(why) => failed(&why),
    }
}

/// What there is beside the database: the current key, and the previous ones.
fn beside(folder: &Path) -> Result<Vec<Beside>, String> {
    let mut files = Vec::new();
    for name in secret_key_files() {
        let path = folder.join(&name);
        match fs::read(&path) {
            Ok(content) => files.push(Beside { name, content: Zeroizing::new(content) }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                return Err(format!(
                    "cannot read the secret key {}: {error}; run this as the daemon's user, or \
                     leave the keys out by --without-key",
                    path.display()
                ));
            }
        }
    }
    Ok(files)
}

/// Whether the configuration is for the embedded store; `tool` does the same for MongoDB.
fn embedded(config: &Config, tool: &str) -> Result<(), String> {
    let mongo = &config.store.mongo;
    if mongo.uri.is_none() && mongo.uri_file.is_none() {
        return Ok(());
    }
    Err(format!(
        "this configuration keeps its data in MongoDB (store.mongo), and this command is for the \
         embedded store: use {tool} of MongoDB's Database Tools; docs/backup.md says how"
    ))
}

/// Runs the work on a thread of its own, shows how far it is, and has it stop when a signal comes.
fn run_task<T: Send + 'static>(
    work: impl FnOnce(Arc<Task>) -> Result<T, BackupError> + Send + 'static,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(async {
        // A file that may not grow is an error of the write, like a full disk.
        let signal = shutdown::survive_file_limits().and_then(|()| shutdown::on_signal());
        let signal = signal.map_err(|error| error.to_string())?;
        let task = Arc::new(Task::default());
        let of_work = Arc::clone(&task);
        let mut running = tokio::task::spawn_blocking(move || work(of_work));
        let all = async {
            tokio::select! {
                biased;
                done = &mut running => done,
                () = signal.cancelled() => {
                    task.stop();
                    running.await
                }
            }
        };
        let done = Ticker::during(&*task, all).await;
        done.map_err(|error| error.to_string())?.map_err(|error| error.to_string())
    })
}

impl super::ticker::Shown for Task {
    fn phase(&self) -> u8 {
        self.phase() as u8
    }

    fn line(&self, elapsed: Duration) -> String {
        report::line(self.phase(), self.copied(), elapsed)
    }
}

fn failed(why: &str) -> ExitCode {
    output::to_stderr(&format!("error: {why}"));
    ExitCode::from(FAILURE)
}
