//! `confab config`: the effective configuration, each value with its origin.

use std::process::ExitCode;

use confab_plugin::Manifest;

use super::output;
use crate::config::{Loaded, effective};

pub(super) fn run(loaded: &Loaded, manifests: &[Manifest]) -> ExitCode {
    output::to_stdout(&effective::render(loaded, manifests))
}
