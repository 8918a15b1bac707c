//! `confab serve`: runs the daemon.

use std::process::ExitCode;

use confab_plugin::Manifest;

use super::{FAILURE, output};
use crate::config::{Environment, Flags, Loaded};

/// Runs the daemon until it is told to stop. `environment` and `flags` are what a reload reads
/// the configuration from.
pub(super) fn run(
    loaded: Loaded,
    environment: &Environment,
    flags: &Flags,
    manifests: &[Manifest],
) -> ExitCode {
    drop(loaded);
    let _ = (environment, flags, manifests);
    output::to_stderr("error: serving is not wired yet");
    ExitCode::from(FAILURE)
}
