//! `confab audit verify`: checks the hash chain of a log, over all its files.

mod arguments;
mod lines;
mod walk;

use std::ffi::OsString;

use crate::{chain::Seal, key};
use arguments::Arguments;
use lines::in_order;
use walk::Walk;

/// Runs the command: what to print, or what is wrong.
///
/// # Errors
/// Wrong arguments; a file that can't be read; the first place where the log is not whole.
pub fn run(arguments: &[OsString]) -> Result<String, String> {
    let Some(arguments) = Arguments::read(arguments)? else { return Ok(arguments::USAGE.into()) };
    let seal = match &arguments.key_file {
        Some(path) => Seal::keyed(&key::read(path)?),
        None => Seal::Plain,
    };
    let files = in_order(&arguments.files)?;
    let walk = Walk { seal: &seal, files: &files, known: arguments.head };
    Ok(walk.whole()?.to_string())
}
