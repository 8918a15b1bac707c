//! `confab man FOLDER`: writes the manual pages.

mod command;
mod configuration;
mod page;
mod prose;

use std::{fs, io, path::PathBuf, process::ExitCode};

use clap::{Args, Command};
use confab_plugin::Manifest;
use time::{OffsetDateTime, macros::format_description};

use super::{FAILURE, output};

/// What help says first.
pub(super) const ABOUT: &str = "\
Write the manual pages: confab(1), one for each command, and confab.toml(5) with every key of the \
configuration and the options of the plugins that are compiled in

The Debian package brings them. Without it:
  confab man man
  man -l man/confab.toml.5

With the variable SOURCE_DATE_EPOCH (seconds since 1970) the pages bear that date; without it, none.";

/// The arguments of `confab man`.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Where to write them; made when it is missing
    folder: PathBuf,
}

/// A manual page.
struct Page {
    /// The name of its file, which ends in its section: `confab-bench.1`.
    file: String,
    /// Its text, in roff.
    text: String,
}

/// Writes the pages of this build. Files of earlier pages are replaced.
pub(super) fn run(what: &Man, program: &Command, manifests: &[Manifest]) -> ExitCode {
    let date = date(std::env::var("SOURCE_DATE_EPOCH").ok().as_deref());
    let written = fs::create_dir_all(&what.folder).and_then(|()| {
        for page in pages(program, manifests, &date)? {
            fs::write(what.folder.join(page.file), page.text)?;
        }
        Ok(())
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let folder = what.folder.display();
            output::to_stderr(&format!("error: cannot write manual pages to {folder}: {error}"));
            ExitCode::from(FAILURE)
        }
    }
}

fn pages(program: &Command, manifests: &[Manifest], date: &str) -> io::Result<Vec<Page>> {
    let mut pages = command::pages(program, date)?;
    pages.push(configuration::page(manifests, date));
    Ok(pages)
}

/// `2026-11-23`; empty if the seconds are not given, or are no time.
fn date(epoch: Option<&str>) -> String {
    let seconds = epoch.and_then(|text| text.parse().ok());
    let time = seconds.and_then(|seconds| OffsetDateTime::from_unix_timestamp(seconds).ok());
    let day = time.and_then(|time| time.format(format_description!("[year]-[month]-[day]")).ok());
    day.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_bears_the_date_of_its_sources() {
        assert_eq!(date(Some("1795392000")), "2026-11-23");
        assert_eq!(date(Some("soon")), "");
        assert_eq!(date(None), "");
    }
}
