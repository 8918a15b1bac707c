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

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::chain::Head;

    /// The daemon puts the file that it writes aside after verify looked for it: what was
    /// audit.jsonl is another file now, and nothing is missing.
    #[test]
    fn a_rotation_meanwhile_is_no_fault() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let mut head = Head::default();
        let mut write = |name: &str| {
            let (text, hash) = Seal::Plain.line(head.n + 1, "\"kind\":\"opened\"", head.hash);
            head = Head { n: head.n + 1, hash };
            fs::write(path(name), text).unwrap();
        };
        write("audit-1.jsonl");
        write("audit.jsonl");
        let files = in_order(&[path("audit-1.jsonl"), path("audit.jsonl")]).unwrap();
        fs::rename(path("audit.jsonl"), path("audit-2.jsonl")).unwrap();
        write("audit.jsonl");
        let told = Walk { seal: &Seal::Plain, files: &files, known: None }.whole().unwrap();
        assert!(told.to_string().starts_with("ok: 2 lines in 2 files, 1 to 2\n"), "{told}");
    }
}
