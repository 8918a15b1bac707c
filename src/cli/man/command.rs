//! The pages of the commands: `confab(1)`, `confab-bench(1)`.

use std::io;

use clap::{Arg, Command};
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};

use super::{Page, page, prose};

const MANUAL: &str = "confab manual";

/// Where confab finds and keeps things.
const FILES: &str = "  /etc/confab/confab.toml  The configuration, if neither --config nor \
                     CONFAB_CONFIG names another: see confab.toml(5).
  /etc/confab/conf.d/*.toml  Parts of the configuration, read after it in the order of their names.
  confab-data  The folder of the embedded store, unless store.path names another. The Debian \
                     package has it in /var/lib/confab.";

/// A page for the program and for each of its commands that is not hidden.
pub(super) fn pages(program: &Command, date: &str) -> io::Result<Vec<Page>> {
    let mut program = program.clone().disable_help_subcommand(true);
    program.build();
    let mut pages = Vec::new();
    add(&program, &mut Vec::new(), date, &mut pages)?;
    Ok(pages)
}

fn add(
    command: &Command,
    above: &mut Vec<String>,
    date: &str,
    pages: &mut Vec<Page>,
) -> io::Result<()> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_owned();
    let inner = || command.get_subcommands().filter(|inner| !inner.is_hide_set());
    pages.push(page(command, &name, above, date)?);
    above.push(name);
    for inner in inner() {
        add(inner, above, date, pages)?;
    }
    above.pop();
    Ok(())
}

fn page(command: &Command, name: &str, above: &[String], date: &str) -> io::Result<Page> {
    let commands = command.has_subcommands();
    let man = command.clone().subcommand_help_heading("COMMANDS");
    let man = Man::new(if above.is_empty() { man } else { man.mut_args(apart) });
    let mut parts = Vec::new();
    parts.push(rendered(|roff| page::header(roff, name, "1", date, MANUAL)));
    parts.push(by(|out| man.render_name_section(out))?);
    parts.push(rendered(|roff| synopsis(roff, command)));
    parts.push(rendered(|roff| {
        roff.control("SH", ["DESCRIPTION"]);
        if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
            prose::append(roff, &about.to_string(), false);
        }
    }));
    // The command of a plugin explains its options itself.
    if command.get_overridden_usage().is_none() {
        parts.push(by(|out| man.render_options_section(out))?);
    }
    if commands {
        parts.push(by(|out| man.render_subcommands_section(out))?);
    }
    parts.push(rendered(|roff| {
        let after = command.get_after_long_help().or_else(|| command.get_after_help());
        if let Some(after) = after {
            prose::append(roff, &after.to_string(), true);
        }
        if above.is_empty() {
            roff.control("SH", ["FILES"]);
            prose::append(roff, FILES, false);
        }
        page::see_also(roff, &others(command, name, above));
    }));
    Ok(Page { file: format!("{name}.1"), text: page::whole(&parts) })
}

/// The page of a command has the options of every command below its own.
fn apart(option: Arg) -> Arg {
    if option.is_global_set() { option.help_heading("Options of every command") } else { option }
}

/// The usage as help has it.
fn synopsis(roff: &mut Roff, command: &Command) {
    roff.control("SH", ["SYNOPSIS"]);
    let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
    let usage = command.clone().render_usage().to_string();
    for (number, form) in usage.trim_start_matches("Usage:").lines().enumerate() {
        if number > 0 {
            roff.control("br", []);
        }
        let form = form.trim();
        match form.strip_prefix(name) {
            Some(rest) => roff.text([bold(name), roman(rest)]),
            None => roff.text([roman(form)]),
        };
    }
}

/// The pages above and below this one, and that of the configuration.
fn others(command: &Command, name: &str, above: &[String]) -> Vec<(String, &'static str)> {
    let inner = command.get_subcommands().filter(|inner| !inner.is_hide_set());
    let inner = inner.map(|inner| format!("{name}-{}", inner.get_name()));
    let pages = above.iter().cloned().chain(inner).map(|page| (page, "1"));
    pages.chain([("confab.toml".to_owned(), "5")]).collect()
}

fn rendered(write: impl FnOnce(&mut Roff)) -> String {
    let mut roff = Roff::new();
    write(&mut roff);
    roff.render()
}

fn by(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> io::Result<String> {
    let mut out = Vec::new();
    write(&mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}
