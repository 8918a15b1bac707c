//! `confab check`: says that the configuration is good, and what in it is odd.

use std::process::ExitCode;

use super::output;
use crate::config::Loaded;

pub(super) fn run(loaded: &Loaded) -> ExitCode {
    let colour = output::coloured();
    for warning in &loaded.warnings {
        output::to_stderr(&warning.render(colour));
    }
    output::to_stdout(&summary(loaded))
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
