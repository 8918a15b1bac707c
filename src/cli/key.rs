//! `confab key`: the secret key that the embedded default keeps beside its data.

use std::process::ExitCode;

use clap::{Args, Subcommand};

use super::{FAILURE, output};
use crate::{
    auth::{Keys, SECRET_KEY_FILE, rotate},
    config::{Config, Loaded},
};

pub(super) const ABOUT: &str = "The keys that sign tokens.

rotate makes a new secret key where the daemon made its first one: beside the embedded store. Keys \
that the configuration names are replaced by hand, one node after the other: docs/tokens.md says \
how.";

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct Key {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Show the ids of the keys, first that of the one that signs: the `kid` of its tokens
    List,
    /// Make a new key and keep that of before as a previous one, so that its tokens stay good. The
    /// daemon takes it up at its next reload
    Rotate {
        /// Keep no previous key: all tokens end at that reload, also those that somebody else made
        /// with a stolen key
        #[arg(long)]
        forget: bool,
    },
}

/// Runs the command.
pub(super) fn run(loaded: &Loaded, key: &Key) -> ExitCode {
    let told = match key.what {
        What::List => list(&loaded.config),
        What::Rotate { forget } => replace(&loaded.config, forget),
    };
    match told {
        Ok(text) => output::to_stdout(&text),
        Err(why) => {
            output::to_stderr(&format!("error: {why}"));
            ExitCode::from(FAILURE)
        }
    }
}

fn list(config: &Config) -> Result<String, String> {
    // Whoever only looks must not make one.
    if of_the_store(config) && !config.store.path.join(SECRET_KEY_FILE).exists() {
        return Err("there is no key yet: the daemon makes one when it starts".to_owned());
    }
    let keys = Keys::of(config).map_err(|error| error.to_string())?;
    let marks = ["current"].into_iter().chain(std::iter::repeat("previous"));
    let lines = keys.ids().zip(marks).map(|(id, mark)| format!("{id}  {mark}\n"));
    Ok(lines.collect())
}

/// Whether the key is the one beside the embedded store.
fn of_the_store(config: &Config) -> bool {
    let configured = config.auth.secret_key.is_some() || !config.auth.algorithm.is_symmetric();
    !configured && config.store.mongo.uri.is_none()
}

fn replace(config: &Config, forget: bool) -> Result<String, String> {
    if !of_the_store(config) {
        let why = "the configuration names the key, or has to: replace it there, as docs/tokens.md \
                   says";
        return Err(why.to_owned());
    }
    let rotated = rotate(&config.store.path, forget).map_err(|error| error.to_string())?;
    let current = rotated.current.display();
    let after = match rotated.previous {
        Some(previous) => format!(
            "The key of before is in {}. Its tokens are good until they expire, at the latest {} \
             after the reload; then the file may go, and the daemon is reloaded again.\n",
            previous.display(),
            config.auth.token_lifetime
        ),
        None => "No previous key is kept: all access tokens end with the reload.\n".to_owned(),
    };
    Ok(format!(
        "A new key is in {current}.\n{after}Now reload: systemctl reload confab, or SIGHUP.\n"
    ))
}
