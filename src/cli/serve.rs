//! `confab serve`: runs the daemon.

use std::process::ExitCode;

use confab_plugin::Manifest;

use super::{FAILURE, output};
use crate::{app, config::Loaded};

/// Runs the daemon until it is told to stop.
pub(super) fn run(loaded: Loaded, manifests: &[Manifest]) -> ExitCode {
    match app::run(loaded, manifests) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::to_stderr(&format!("error: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}
