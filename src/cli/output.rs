//! Writing for people and programs: standard output and standard error of a command.

use std::{
    io::{self, IsTerminal, Write as _},
    process::ExitCode,
};

use super::FAILURE;

/// Whether standard error takes colours: it is a terminal, and the variable `NO_COLOR` is unset
/// or empty.
pub(super) fn coloured() -> bool {
    takes_colours(&io::stderr())
}

/// The same of standard output.
pub(super) fn coloured_out() -> bool {
    takes_colours(&io::stdout())
}

fn takes_colours(stream: &impl IsTerminal) -> bool {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    stream.is_terminal() && !refused
}

/// Writes `text` and a line's end to standard error. There is nobody to tell if that fails.
pub(super) fn to_stderr(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// Writes the result of a command to standard output. A reader that has seen enough is no
/// failure.
pub(super) fn to_stdout(text: &str) -> ExitCode {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            to_stderr(&format!("error: cannot write to standard output: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}
