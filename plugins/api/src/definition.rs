//! What a plugin says of itself, and how the host builds it.

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
    /// The typed options. Derive `Deserialize` and `JsonSchema`, with
    /// `#[serde(deny_unknown_fields)]`, and give each field a doc comment: it becomes the
    /// option's help.
    type Options: DeserializeOwned + JsonSchema;

    /// Checks the options and builds the plugin for the entry named `entry`. Pure: no I/O, so
    /// that `confab check` can run it anywhere.
    ///
    /// # Errors
    /// All that is wrong with the options, not only the first.
    fn new(entry: &str, options: Self::Options) -> Result<Self, Vec<Problem>>;
}

/// Builds a plugin for the entry of this name from its options, given as a JSON object.
pub type BuildFn = fn(&str, serde_json::Value) -> Result<Box<dyn Plugin>, Vec<Problem>>;

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
            schema: || schemars::schema_for!(P::Options),
            build: build::<P>,
        }
    }
}

fn build<P: Definition>(
    entry: &str,
    options: serde_json::Value,
) -> Result<Box<dyn Plugin>, Vec<Problem>> {
    let options = serde_json::from_value(options)
        .map_err(|error| vec![Problem { path: Vec::new(), message: error.to_string() }])?;
    Ok(Box::new(P::new(entry, options)?))
}
