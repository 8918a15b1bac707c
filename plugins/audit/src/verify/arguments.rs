//! The arguments of `confab audit verify`.

use std::{ffi::OsString, path::PathBuf};

use crate::chain::Head;

/// What the command takes.
pub const USAGE: &str = "\
Usage: confab audit verify [--key-file FILE] [--head N:HASH] FILE…

Checks that the lines of an audit log are all there, unchanged and in order. Give all its files, in
any order.

Options:
      --key-file FILE  the key, if the log is written with one
      --head N:HASH    a head that was told before: the log must still have that line
  -h, --help           print this
";

/// The arguments, read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Arguments {
    pub key_file: Option<PathBuf>,
    pub head: Option<Head>,
    pub files: Vec<PathBuf>,
}

impl Arguments {
    /// Reads the arguments; `None` if they ask for help.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn read(arguments: &[OsString]) -> Result<Option<Self>, String> {
        let mut read = Self::default();
        let mut rest = arguments.iter().cloned();
        let mut only_files = false;
        while let Some(argument) = rest.next() {
            let text = argument.to_string_lossy();
            if only_files || !text.starts_with('-') || text == "-" {
                read.files.push(argument.into());
                continue;
            }
            let (name, given) = match text.split_once('=') {
                Some((name, value)) => (name, Some(OsString::from(value))),
                None => (&*text, None),
            };
            let mut value = || {
                given
                    .clone()
                    .or_else(|| rest.next())
                    .ok_or(format!("{name} needs a value\n\n{USAGE}"))
            };
            match name {
                "--" => only_files = true,
                "-h" | "--help" => return Ok(None),
                "--key-file" => read.key_file = Some(value()?.into()),
                "--head" => read.head = Some(head(&value()?.to_string_lossy())?),
                _ => return Err(format!("unknown option {name}\n\n{USAGE}")),
            }
        }
        if read.files.is_empty() {
            return Err(format!("name the files of the log\n\n{USAGE}"));
        }
        Ok(Some(read))
    }
}

fn head(text: &str) -> Result<Head, String> {
    let read = |text: &str| {
        let (n, hash) = text.split_once(':')?;
        Some(Head { n: n.parse().ok()?, hash: hash.parse().ok()? })
    };
    read(text).ok_or(format!(
        "--head: write a line's number and its hash, as verify tells them: 42:9f86d0…, not {text}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(arguments: &[&str]) -> Result<Option<Arguments>, String> {
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        Arguments::read(&arguments)
    }

    #[test]
    fn options_stand_anywhere() {
        let hash = "0f".repeat(32);
        let head = format!("7:{hash}");
        let all = read(&["a", "--key-file", "k", "b", &format!("--head={head}"), "--", "-c"]);
        let expected = Arguments {
            key_file: Some("k".into()),
            head: Some(Head { n: 7, hash: hash.parse().unwrap() }),
            files: ["a", "b", "-c"].map(PathBuf::from).to_vec(),
        };
        assert_eq!(all, Ok(Some(expected)));
        assert_eq!(read(&["a", "--help"]), Ok(None));
    }

    #[test]
    fn wrong_arguments_are_told() {
        for (arguments, why) in [
            (&["--key", "k", "a"][..], "unknown option --key"),
            (&["a", "--key-file"], "--key-file needs a value"),
            (&["--head", "7", "a"], "--head: write a line's number"),
            (&["--head", "7:abc", "a"], "--head: write a line's number"),
            (&[], "name the files"),
        ] {
            let told = read(arguments).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }
}
