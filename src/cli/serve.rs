//! `confab serve`: runs the daemon.

use std::process::ExitCode;

use super::{FAILURE, output};
use crate::{
    app,
    config::{Loaded, Sources},
};

/// Runs the daemon until it is told to stop. A reload goes back to `sources`.
pub(super) fn run(loaded: Loaded, sources: Sources) -> ExitCode {
    match app::run(loaded, sources) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::to_stderr(&format!("error: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}
