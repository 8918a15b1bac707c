//! `confab completions SHELL`: what lets a shell complete the command line.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::Shell;

use super::output;

/// What help says first.
pub(super) const ABOUT: &str = "\
Print the completions of the command line for a shell

Where a shell looks for them:
  bash  /usr/share/bash-completion/completions/confab
  zsh   /usr/share/zsh/vendor-completions/_confab
  fish  /usr/share/fish/vendor_completions.d/confab.fish

The Debian package brings these three.";

/// The arguments of `confab completions`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

/// Prints the completions of this build: with the commands of the plugins that are compiled in.
pub(super) fn run(what: &Completions, mut program: Command) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(what.shell, &mut program, "confab", &mut script);
    output::to_stdout(&String::from_utf8_lossy(&script))
}
