//! `confab plugins [NAME]`: what is compiled in, and what one plugin takes and does.

use std::{fmt::Write as _, process::ExitCode};

use clap::Args;
use confab_plugin::{Command, EventKind, Manifest, Place};
use serde_json::{Value, json};

use super::{FAILURE, option_rows::rows, output, schema};
use crate::config::{json_schema, suggest::did_you_mean};

/// What help says first.
pub(super) const ABOUT: &str = "\
Show the plugins that are compiled in.

With a NAME, all of that plugin: the kinds of events that it handles by default, its place in the \
chain, its commands, its options with their defaults and bounds, and its manual page.";

/// The arguments of `confab plugins`.
#[derive(Debug, Args)]
pub(super) struct Plugins {
    /// The plugin to tell all of
    name: Option<String>,
    /// For programs: JSON, with the options as a JSON Schema
    #[arg(long)]
    json: bool,
}

pub(super) fn run(what: &Plugins, manifests: &[Manifest]) -> ExitCode {
    let Some(name) = &what.name else {
        return output::to_stdout(&if what.json { list_json(manifests) } else { list(manifests) });
    };
    match manifests.iter().find(|manifest| manifest.name == name) {
        Some(manifest) if what.json => output::to_stdout(&schema::text(&json(manifest))),
        Some(manifest) => output::to_stdout(&page(manifest)),
        None => {
            output::to_stderr(&unknown(name, manifests));
            ExitCode::from(FAILURE)
        }
    }
}

/// For `confab --version`: the version, and what is compiled in.
pub(super) fn version(manifests: &[Manifest]) -> String {
    let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name).collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(" ") };
    format!("{}\nplugins: {names}", env!("CARGO_PKG_VERSION"))
}

fn unknown(name: &str, manifests: &[Manifest]) -> String {
    let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name).collect();
    let hint = did_you_mean(name, names.iter().copied());
    let compiled_in = match names.as_slice() {
        [] => "no plugin is compiled in".to_owned(),
        names => format!("compiled in are {}", names.join(", ")),
    };
    format!("error: unknown plugin {name:?}{hint}\n{compiled_in}")
}

fn list(manifests: &[Manifest]) -> String {
    let Some(last) = manifests.last() else {
        return "No plugin is compiled in.\n".to_owned();
    };
    let mut table = vec![["PLUGIN".to_owned(), "HANDLES".to_owned(), "WHAT IT DOES".to_owned()]];
    for manifest in manifests {
        table.push([manifest.name.to_owned(), kinds(manifest.on), manifest.summary.to_owned()]);
    }
    let width = |column: usize| {
        table.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let (first, second) = (width(0).unwrap_or(0), width(1).unwrap_or(0));
    let mut out = String::new();
    for [name, on, summary] in &table {
        let _ = writeln!(out, "{name:first$}  {on:second$}  {summary}");
    }
    let _ =
        write!(out, "\nTheir options and manuals: confab plugins NAME, such as {}\n", last.name);
    out
}

fn kinds(on: &[EventKind]) -> String {
    let names = |kinds: &[EventKind]| -> String {
        kinds.iter().map(|kind| kind.as_str()).collect::<Vec<_>>().join(" ")
    };
    let missing: Vec<EventKind> =
        EventKind::ALL.into_iter().filter(|kind| !on.contains(kind)).collect();
    match missing.as_slice() {
        [] => "all kinds".to_owned(),
        few if few.len() <= 2 => format!("all but {}", names(few)),
        _ => names(on),
    }
}

/// All that is known of a plugin: what the program says, then its manual as it was written.
fn page(manifest: &Manifest) -> String {
    let mut out = format!("{} - {}\n", manifest.name, manifest.summary);
    let on: Vec<&str> = manifest.on.iter().map(|kind| kind.as_str()).collect();
    let _ = write!(out, "\nHandles, unless `on` says otherwise:\n  {}\n", on.join(" "));
    if !manifest.place.is_empty() {
        out.push_str("\nPlace in the chain:\n");
    }
    for place in manifest.place {
        let (word, plugin, why) = words(place);
        let _ = writeln!(out, "  {word} {plugin}: {why}");
    }
    if !manifest.commands.is_empty() {
        out.push_str("\nCommands:\n");
    }
    for Command { name, arguments, about, .. } in manifest.commands {
        let usage = format!("confab {} {name} {arguments}", manifest.name);
        let _ = writeln!(out, "  {}\n      {about}", usage.trim_end());
    }
    let options = rows(&json_schema::options(manifest));
    out.push_str(if options.is_empty() { "\nIt has no options.\n" } else { "\nOptions:\n" });
    let width = options.iter().map(|option| option.key.chars().count()).max().unwrap_or(0);
    for option in &options {
        let _ = writeln!(out, "  {:width$}  {}", option.key, option.kind);
        for line in option.help.lines() {
            let _ = writeln!(out, "      {line}");
        }
    }
    let _ = write!(out, "\nManual:\n\n{}", manifest.manual);
    out
}

fn words(place: &Place) -> (&'static str, &'static str, &'static str) {
    match *place {
        Place::Before { plugin, why } => ("before", plugin, why),
        Place::After { plugin, why } => ("after", plugin, why),
    }
}

fn list_json(manifests: &[Manifest]) -> String {
    schema::text(&manifests.iter().map(|manifest| Value::Object(summary(manifest))).collect())
}

fn summary(manifest: &Manifest) -> serde_json::Map<String, Value> {
    let on: Vec<&str> = manifest.on.iter().map(|kind| kind.as_str()).collect();
    let mut out = serde_json::Map::new();
    out.insert("name".into(), manifest.name.into());
    out.insert("summary".into(), manifest.summary.into());
    out.insert("on".into(), on.into());
    out
}

fn json(manifest: &Manifest) -> Value {
    let place = manifest.place.iter().map(words);
    let place = place.map(|(word, plugin, why)| json!({ word: plugin, "why": why }));
    let commands = manifest.commands.iter().map(|Command { name, arguments, about, .. }| {
        json!({ "name": name, "arguments": arguments, "about": about })
    });
    let mut out = summary(manifest);
    out.insert("place".into(), place.collect());
    out.insert("commands".into(), commands.collect());
    out.insert("options".into(), json_schema::options(manifest));
    out.insert("manual".into(), manifest.manual.into());
    Value::Object(out)
}

#[cfg(test)]
mod tests;
