//! Plugins that exist in tests only, and a folder for configuration files.

use std::path::PathBuf;

use confab_plugin::{Definition, EventKind, Manifest, Plugin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use tempfile::TempDir;

use crate::config::{ConfigErrors, Environment, Flags, Loaded, load};

pub struct Filter;

/// Options of a filter.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FilterOptions {
    /// Patterns to refuse.
    pub deny: Vec<String>,
    /// What to do.
    pub action: Action,
    /// How many.
    pub most: u8,
    /// A part.
    pub part: Option<Part>,
}

impl Default for FilterOptions {
    fn default() -> Self {
        Self { deny: Vec::new(), action: Action::Deny, most: 10, part: None }
    }
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Deny,
    Mask,
}

#[derive(Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "lowercase", deny_unknown_fields)]
#[expect(dead_code, reason = "only their shape matters")]
pub enum Part {
    Head { length: u32 },
    Tail { offset: u32, webhook_token: String },
}

impl Plugin for Filter {}

impl Definition for Filter {
    const NAME: &'static str = "filter";
    const SUMMARY: &'static str = "";
    const MANUAL: &'static str = "";
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = FilterOptions;

    fn new(_entry: &str, options: FilterOptions) -> Result<Self, Vec<Problem>> {
        let wrong = |(index, word): (usize, &String)| match word.as_str() {
            "panic" => panic!("told to"),
            "(" => Some(Problem::at_item("deny", index, "the parenthesis is not closed")),
            _ => None,
        };
        let wrong: Vec<Problem> = options.deny.iter().enumerate().filter_map(wrong).collect();
        if wrong.is_empty() { Ok(Filter) } else { Err(wrong) }
    }
}

macro_rules! plain {
    ($type:ident, $name:literal) => {
        pub struct $type;
        impl Plugin for $type {}
        impl Definition for $type {
            const NAME: &'static str = $name;
            const SUMMARY: &'static str = "";
            const MANUAL: &'static str = "";
            const ON: &'static [EventKind] = &EventKind::ALL;
            type Options = NoOptions;
            fn new(_: &str, _: NoOptions) -> Result<Self, Vec<Problem>> {
                Ok($type)
            }
        }
    };
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}

plain!(Log, "log");
plain!(Metrics, "metrics");

pub fn manifests() -> [Manifest; 3] {
    [Manifest::of::<Filter>(), Manifest::of::<Log>(), Manifest::of::<Metrics>()]
}

/// A folder with a configuration file, and what stands around it.
pub struct Setup {
    pub folder: TempDir,
    pub variables: Vec<(String, String)>,
    pub flags: Flags,
}

impl Setup {
    /// Without any file.
    pub fn empty() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            variables: Vec::new(),
            flags: Flags::default(),
        }
    }

    /// With this text as the configuration file, which is found by default.
    pub fn file(text: impl AsRef<[u8]>) -> Self {
        Self::empty().and("confab.toml", text)
    }

    /// With one more file.
    pub fn and(self, name: &str, text: impl AsRef<[u8]>) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
        self
    }

    /// With one more variable.
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn environment(&self) -> Environment {
        Environment::new(self.variables.clone(), self.path("confab.toml"))
    }

    pub fn load(&self) -> Result<Loaded, ConfigErrors> {
        load(&self.environment(), &self.flags, &manifests())
    }

    /// What is wrong, with the folder's name left out.
    pub fn errors(&self) -> String {
        let errors = self.load().expect_err("errors").to_string();
        errors.replace(&format!("{}/", self.folder.path().display()), "")
    }

    /// The first lines of what is wrong.
    pub fn messages(&self) -> Vec<String> {
        let errors = self.load().expect_err("errors");
        errors.iter().map(|error| error.message().to_owned()).collect()
    }
}
