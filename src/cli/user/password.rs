//! Passwords, from a terminal without an echo or from standard input; never from an argument,
//! which other users of the machine could read.

use std::{
    fs::{File, OpenOptions},
    io::{self, BufRead as _, Read as _, Write as _},
};

use clap::Args;
use rustix::termios::{
    LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcsetattr,
};

use super::Failed;
use crate::auth::MAX_PASSWORD_BYTES;

/// Where the password comes from.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Read the password from standard input, up to the end of its first line, and do not ask
    #[arg(long)]
    password_stdin: bool,
}

impl Wanted {
    /// The password. Blocks.
    pub(super) fn get(self) -> Result<String, Failed> {
        if self.password_stdin {
            return first_line(io::stdin().lock());
        }
        let mut terminal = Terminal::open()?;
        let first = terminal.hidden("Password: ")?;
        if first != terminal.hidden("Once more: ")? {
            return Err(Failed("the two passwords differ: nothing was changed".to_owned()));
        }
        Ok(first)
    }
}

/// Without the line's end. One byte more than is allowed shows that it is too long.
fn first_line(input: impl io::BufRead) -> Result<String, Failed> {
    let mut line = String::new();
    let most = MAX_PASSWORD_BYTES + 2;
    let read = input.take(most as u64).read_line(&mut line);
    read.map_err(|why| Failed(format!("the password cannot be read: {why}")))?;
    let line = line.strip_suffix('\n').unwrap_or(&line);
    Ok(line.strip_suffix('\r').unwrap_or(line).to_owned())
}

/// Asks whether something is meant.
///
/// # Errors
/// When it is not, or there is no terminal to ask on.
pub(super) async fn confirm(question: &str) -> Result<(), Failed> {
    let question = format!("{question} [y/N] ");
    let asked = tokio::task::spawn_blocking(move || {
        let mut terminal = Terminal::open().map_err(|_| {
            Failed("there is no terminal to ask on: give --yes if it is meant".to_owned())
        })?;
        terminal.visible(&question)
    });
    let answer = asked.await.map_err(Failed::new)??;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(Failed("nothing was changed".to_owned())),
    }
}

/// The terminal of the process, wherever its input and output go.
struct Terminal(File);

impl Terminal {
    fn open() -> Result<Self, Failed> {
        let open = OpenOptions::new().read(true).write(true).open("/dev/tty");
        open.map(Self).map_err(|why| {
            Failed(format!(
                "there is no terminal to ask for the password on ({why}): give --password-stdin"
            ))
        })
    }

    fn visible(&mut self, question: &str) -> Result<String, Failed> {
        self.0.write_all(question.as_bytes()).map_err(Failed::new)?;
        let mut answer = String::new();
        io::BufReader::new(&self.0).read_line(&mut answer).map_err(Failed::new)?;
        Ok(answer)
    }

    /// Reads a line key by key, so that the interrupt key too leaves the terminal as it was.
    fn hidden(&mut self, question: &str) -> Result<String, Failed> {
        self.0.write_all(question.as_bytes()).map_err(Failed::new)?;
        let quiet = Quiet::begin(&self.0)?;
        let line = read_keys(&self.0);
        drop(quiet);
        let _ = self.0.write_all(b"\n");
        let line = line.map_err(Failed::new)?;
        let line = line.ok_or_else(|| Failed("interrupted: nothing was changed".to_owned()))?;
        String::from_utf8(line).map_err(|_| Failed("the password is not UTF-8".to_owned()))
    }
}

/// A terminal without echo, lines and signals, until it is dropped.
struct Quiet<'a> {
    terminal: &'a File,
    before: Termios,
}

impl<'a> Quiet<'a> {
    fn begin(terminal: &'a File) -> Result<Self, Failed> {
        let failed = |why| Failed(format!("the terminal cannot be made quiet: {why}"));
        let before = tcgetattr(terminal).map_err(failed)?;
        let mut quiet = before.clone();
        quiet.local_modes &= !(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        quiet.special_codes[SpecialCodeIndex::VMIN] = 1;
        quiet.special_codes[SpecialCodeIndex::VTIME] = 0;
        tcsetattr(terminal, OptionalActions::Flush, &quiet).map_err(failed)?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ = tcsetattr(self.terminal, OptionalActions::Flush, &self.before);
    }
}

const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BACKSPACES: [u8; 2] = [0x08, 0x7f];
const ERASE_LINE: u8 = 0x15;

/// A line; `None` when the interrupt key was pressed.
fn read_keys(input: impl io::Read) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    for byte in io::BufReader::with_capacity(1, input).bytes() {
        match byte? {
            b'\n' | b'\r' | END => break,
            INTERRUPT => return Ok(None),
            ERASE_LINE => line.clear(),
            byte if BACKSPACES.contains(&byte) => {
                // A character of UTF-8 begins with a byte that is no continuation.
                while line.pop().is_some_and(|last| last & 0xc0 == 0x80) {}
            }
            byte if line.len() <= MAX_PASSWORD_BYTES => line.push(byte),
            _ => {}
        }
    }
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_the_first_line() {
        for (input, password) in
            [("secret\n", "secret"), ("secret\r\nmore\n", "secret"), (" a b ", " a b "), ("", "")]
        {
            assert_eq!(first_line(input.as_bytes()).unwrap(), password);
        }
        let long = "x".repeat(5000);
        assert!(first_line(long.as_bytes()).unwrap().len() > MAX_PASSWORD_BYTES);
    }

    #[test]
    fn keys_are_what_they_are_on_a_terminal() {
        let read = |keys: &[u8]| read_keys(keys).unwrap();
        assert_eq!(read(b"secret\rrest").unwrap(), b"secret");
        assert_eq!(read("sä\u{7f}ecrx\u{8}et\n".as_bytes()).unwrap(), b"secret");
        assert_eq!(read(b"wrong\x15right\x04").unwrap(), b"right");
        assert_eq!(read(b"\x7f\x7fa").unwrap(), b"a");
        assert_eq!(read(b"secr\x03"), None);
    }
}
