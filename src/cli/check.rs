//! `confab check`: says that the configuration is good, what in it is odd, and with `--online`
//! whether what it names can be used.

use std::process::ExitCode;

use super::{online, output};
use crate::config::Loaded;

/// Checks a configuration that was loaded without an error.
pub(super) fn run(loaded: &Loaded, online: bool) -> ExitCode {
    let colour = output::coloured();
    for warning in &loaded.warnings {
        output::to_stderr(&warning.render(colour));
    }
    let told = output::to_stdout(&summary(loaded));
    if online && told == ExitCode::SUCCESS { online::run(&loaded.config) } else { told }
}

fn summary(loaded: &Loaded) -> String {
    let count = |count: usize, what: &str| {
        let plural = if count == 1 { "" } else { "s" };
        format!("{count} {what}{plural}")
    };
    let plugins = count(loaded.config.plugins.len(), "plugin");
    match loaded.files.as_slice() {
        [] => format!("ok: the built-in defaults ({plugins})\n"),
        [file] => format!("ok: {} ({plugins})\n", file.display()),
        [file, more @ ..] => {
            let more = count(more.len(), "file");
            format!("ok: {} and {more} of its conf.d ({plugins})\n", file.display())
        }
    }
}
