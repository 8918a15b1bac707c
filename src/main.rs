//! confab: from arguments to a command.

use std::process::ExitCode;

fn main() -> ExitCode {
    confab::cli::run(&confab::registry::manifests())
}
