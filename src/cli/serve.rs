//! `confab serve`: runs the daemon.

use std::process::ExitCode;

use super::{BAD_CONFIG, FAILURE, output};
use crate::{
    app,
    config::{Loaded, Sources},
    systemd::Inherited,
};

/// Runs the daemon until it is told to stop. A reload goes back to `sources`.
pub(super) fn run(loaded: Loaded, sources: Sources) -> ExitCode {
    let inherited = match Inherited::take() {
        Ok(inherited) => inherited,
        Err(error) => {
            output::to_stderr(&format!("error: {error}"));
            return ExitCode::from(BAD_CONFIG);
        }
    };
    match app::run(loaded, sources, inherited) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::to_stderr(&format!("error: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}
