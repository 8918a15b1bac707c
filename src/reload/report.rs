//! What the log says of a reload.

use std::time::Duration;

use crate::{
    code::{Code, Refusal},
    config::{Change, escape},
    http::{NotReloaded, Reloaded, Told},
};

use super::{candidate::Failed, stopping};

/// Logs a warning about the configuration.
pub fn warn(warning: &Told) {
    let Told { place, message, .. } = warning;
    tracing::warn!(place, "{message}");
}

/// Logs what a reload did: its warnings, and in one line what needs a restart.
pub(super) fn success(reloaded: &Reloaded, by: &str, took: Duration) {
    reloaded.warnings.iter().for_each(warn);
    let Reloaded { generation, config, changes, .. } = reloaded;
    let told = |live| {
        let changes = changes.iter().filter(|change| change.live == live);
        escape(&changes.map(line).collect::<Vec<_>>().join("; "))
    };
    tracing::info!(
        by,
        generation,
        %config,
        changes = told(true),
        seconds = took.as_secs_f64(),
        "reloaded"
    );
    let waits = reloaded.needs_restart.len();
    if waits > 0 {
        tracing::warn!(waits, changes = told(false), "needs a restart: the old values go on");
    }
}

/// `key: old -> new`
fn line(change: &Change) -> String {
    format!("{}: {} -> {}", change.key, change.old, change.new)
}

/// Logs why a reload failed, each error by itself, and turns it into the answer.
pub(super) fn failure(failed: Failed, by: &str, generation: u64) -> NotReloaded {
    let refused = |code, message| NotReloaded::Refused(Refusal::new(code, message));
    let (errors, answer) = match failed {
        Failed::Invalid(errors) => {
            let errors: Vec<_> = errors.iter().map(Told::from).collect();
            for Told { place, message, .. } in &errors {
                tracing::error!(place, "{message}");
            }
            (errors.len(), NotReloaded::Invalid(errors))
        }
        Failed::TimedOut(limit) => {
            let limit = confab_plugin::Duration(limit);
            let message = format!("Reading the configuration took longer than {limit}.");
            (1, refused(Code::Unavailable, message))
        }
        Failed::Busy => {
            let message = "An earlier reload still waits for a file or a plugin.".to_owned();
            (1, refused(Code::Unavailable, message))
        }
        Failed::Stopping => {
            tracing::warn!(by, "the reload is given up: the daemon is stopping");
            return stopping();
        }
        Failed::Panicked => {
            let message = "The reload failed: this is a defect, and the log says more.".to_owned();
            (1, refused(Code::Internal, message))
        }
    };
    let why = match &answer {
        NotReloaded::Invalid(_) => "the configuration is wrong",
        NotReloaded::Refused(refusal) => &refusal.message,
    };
    tracing::error!(
        by,
        errors,
        why,
        generation,
        "not reloaded: the configuration of before goes on"
    );
    answer
}

/// Why a reload failed, for a line of status.
pub(super) fn in_short(why: &NotReloaded) -> String {
    match why {
        NotReloaded::Refused(refusal) => refusal.message.clone().into_owned(),
        NotReloaded::Invalid(errors) => {
            let first = errors.first();
            let first = first.map(|Told { place, message, .. }| format!("{place}: {message}"));
            let mut line = first.unwrap_or_else(|| "the configuration is wrong".to_owned());
            if errors.len() > 1 {
                line += &format!(" (and {} more)", errors.len() - 1);
            }
            line
        }
    }
}
