//! What a plugin says of itself, and how the host builds it.

use std::{ffi::OsString, sync::Arc};

use schemars::{JsonSchema, Schema};
use serde::de::DeserializeOwned;

use crate::{EventKind, Plugin, Problem};

/// What a plugin says of itself: its name, its manual, its options, how it is built.
pub trait Definition: Plugin + Sized {
    /// The word that operators write after `use =`.
    const NAME: &'static str;
    /// One line for the list of plugins, without a full stop.
    const SUMMARY: &'static str;
    /// The manual page: `include_str!("../README.md")`.
    const MANUAL: &'static str;
    /// The kinds of events it handles unless the operator's `on` says otherwise.
    const ON: &'static [EventKind];
    /// Where its entries belong among others: a chain in another order gets a warning.
    const PLACE: &'static [Place] = &[];
    /// What it adds to the command line, as `confab <plugin> <command>`.
    const COMMANDS: &'static [Command] = &[];
    /// The typed options. Derive `Deserialize` and `JsonSchema`, with
    /// `#[serde(deny_unknown_fields)]`, and give each field a doc comment: it becomes the
    /// option's help. Types of your own in it derive `Serialize` too: then the JSON Schema tells
    /// the defaults.
    type Options: DeserializeOwned + JsonSchema;

    /// Checks the options and builds the plugin for the entry named `entry`. Pure: no I/O, so
    /// that `confab check` can run it anywhere.
    ///
    /// # Errors
    /// All that is wrong with the options, not only the first.
    fn new(entry: &str, options: Self::Options) -> Result<Self, Vec<Problem>>;
}

/// Where the entries of a plugin belong in a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before every entry of the plugin named `plugin`, because of `why`: half a sentence, such as
    /// "what it refuses need not be searched".
    Before {
        /// The other plugin.
        plugin: &'static str,
        /// What is lost otherwise.
        why: &'static str,
    },
    /// After every entry of the plugin named `plugin`.
    After {
        /// The other plugin.
        plugin: &'static str,
        /// What is lost otherwise.
        why: &'static str,
    },
}

/// A command of a plugin: `confab <plugin> <name> [ARGUMENT…]`. It runs without a configuration
/// and beside the daemon.
#[derive(Clone, Copy, Debug)]
pub struct Command {
    /// The word after the plugin's name.
    pub name: &'static str,
    /// What follows it in a usage line, such as `FILE…`.
    pub arguments: &'static str,
    /// One line of help, without a full stop.
    pub about: &'static str,
    /// Runs it: what to print, or what went wrong. It may block.
    pub run: fn(&[OsString]) -> Result<String, String>,
}

/// Builds a plugin for the entry of this name from its options, given as a JSON object.
pub type BuildFn = fn(&str, serde_json::Value) -> Result<Arc<dyn Plugin>, Vec<Problem>>;

/// A compiled-in plugin, as the registry holds it.
#[derive(Clone, Copy)]
pub struct Manifest {
    /// See [`Definition::NAME`].
    pub name: &'static str,
    /// See [`Definition::SUMMARY`].
    pub summary: &'static str,
    /// See [`Definition::MANUAL`].
    pub manual: &'static str,
    /// See [`Definition::ON`].
    pub on: &'static [EventKind],
    /// See [`Definition::PLACE`].
    pub place: &'static [Place],
    /// See [`Definition::COMMANDS`].
    pub commands: &'static [Command],
    /// The JSON Schema of the options.
    pub schema: fn() -> Schema,
    /// Builds the plugin; the errors' paths begin at the options table.
    pub build: BuildFn,
}

impl Manifest {
    /// The manifest of the plugin `P`.
    pub const fn of<P: Definition>() -> Self {
        Self {
            name: P::NAME,
            summary: P::SUMMARY,
            manual: P::MANUAL,
            on: P::ON,
            place: P::PLACE,
            commands: P::COMMANDS,
            schema: || schemars::schema_for!(P::Options),
            build: build::<P>,
        }
    }
}

fn build<P: Definition>(
    entry: &str,
    options: serde_json::Value,
) -> Result<Arc<dyn Plugin>, Vec<Problem>> {
    let options = serde_json::from_value(options)
        .map_err(|error| vec![Problem { path: Vec::new(), message: error.to_string() }])?;
    Ok(Arc::new(P::new(entry, options)?))
}
