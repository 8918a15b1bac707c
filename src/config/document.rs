//! A configuration file as a tree of values, each with its place in the text.

use std::{collections::HashMap, ops::Range};

use confab_plugin::Segment;
use serde_json::{Map, Value};
use toml::de::{DeTable, DeValue};

use super::{
    error::{ConfigError, Place},
    schema::{Secretive, is_known},
    sensitive,
    source::Source,
};

/// The way from the top of the configuration to a value.
pub(super) type Path = Vec<Segment>;

/// More syntax errors than these are not told: the first ones cause most of the others.
const MAX_SYNTAX_ERRORS: usize = 20;

/// Tables and arrays within each other.
const MAX_DEPTH: usize = 64;

/// Something wrong with a value of one layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub path: Path,
    pub target: Target,
    pub message: String,
    pub help: Option<String>,
}

impl Finding {
    /// The value at `path` is wrong.
    pub fn at(path: &[Segment], message: impl Into<String>) -> Self {
        Self { path: path.to_vec(), target: Target::Value, message: message.into(), help: None }
    }

    /// It is the key that is wrong.
    pub fn key(mut self) -> Self {
        self.target = Target::Key;
        self
    }

    /// Adds a line that says what to do.
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Which part of `key = value` is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Key,
    Value,
}

struct Spans {
    key: Range<usize>,
    value: Range<usize>,
}

/// A file's values and where each stands.
pub(super) struct Document {
    source: Source,
    places: HashMap<Path, Spans>,
    /// Where secrets stand.
    hidden: Vec<Range<usize>>,
}

/// What a file gives.
pub(super) struct Parsed {
    pub document: Document,
    pub tree: Map<String, Value>,
    /// Values that have no meaning here, and are not in the tree.
    pub wrong: Vec<Finding>,
}

impl Document {
    /// Reads TOML: the values, where they stand, and those that have no meaning here.
    ///
    /// # Errors
    /// All that is not TOML.
    pub fn parse(source: Source) -> Result<Parsed, Vec<ConfigError>> {
        let (table, mut syntax) = DeTable::parse_recoverable(source.text());
        let mut builder = Builder::default();
        let tree = builder.table(table.get_ref());
        let document = Self { places: builder.places, hidden: builder.hidden, source };
        if syntax.is_empty() {
            return Ok(Parsed { document, tree, wrong: builder.wrong });
        }
        // What was recovered is not what was meant: only the syntax is told.
        syntax.sort_by_key(|error| error.span().map(|span| span.start));
        syntax.truncate(MAX_SYNTAX_ERRORS);
        let Self { source, hidden, .. } = &document;
        let error = |error: &toml::de::Error| {
            let path = source.path().to_owned();
            let place = match error.span() {
                Some(span) => Place::Line(path, Box::new(source.excerpt(&span, hidden, true))),
                None => Place::File(path),
            };
            ConfigError::new(error.message(), place)
        };
        Err(syntax.iter().map(error).collect())
    }

    /// The file.
    pub fn path(&self) -> &std::path::Path {
        self.source.path()
    }

    /// Where a key or value stands; if it stands nowhere, where the table that lacks it does.
    pub fn place(&self, path: &[Segment], target: Target) -> Place {
        let file = self.path().to_owned();
        let Some(span) = self.span(path, target) else {
            return Place::File(file);
        };
        Place::Line(file, Box::new(self.source.excerpt(&span, &self.hidden, false)))
    }

    /// The line on which a key or the table that lacks it stands, counted from 1.
    pub fn line(&self, path: &[Segment]) -> usize {
        let span = self.span(path, Target::Key);
        span.map_or(1, |span| self.source.position(span.start).0)
    }

    fn span(&self, path: &[Segment], target: Target) -> Option<Range<usize>> {
        if let Some(spans) = self.places.get(path) {
            return Some(match target {
                Target::Key => spans.key.clone(),
                Target::Value => spans.value.clone(),
            });
        }
        let (_, above) = path.split_last()?;
        self.span(above, Target::Value)
    }
}

/// Walks a parsed file once.
#[derive(Default)]
struct Builder {
    path: Path,
    places: HashMap<Path, Spans>,
    hidden: Vec<Range<usize>>,
    wrong: Vec<Finding>,
}

impl Builder {
    fn table(&mut self, table: &DeTable<'_>) -> Map<String, Value> {
        let mut map = Map::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            self.path.push(name.into());
            let is_uri =
                matches!(value.get_ref(), DeValue::String(text) if sensitive::is_uri(text));
            if is_uri || self.is_secret(name) {
                self.hidden.push(value.span());
            }
            let spans = Spans { key: key.span(), value: value.span() };
            if let Some(value) = self.value(value.get_ref()) {
                map.insert(name.to_owned(), value);
            }
            self.places.insert(self.path.clone(), spans);
            self.path.pop();
        }
        map
    }

    /// Within tables that hold a secret what is not known is hidden too: it may be the secret,
    /// misspelt.
    fn is_secret(&self, name: &str) -> bool {
        let table = match self.path.as_slice() {
            [Segment::Key(table), _] if table == "auth" => Some(Secretive::Auth),
            [Segment::Key(outer), Segment::Key(table), _]
                if outer == "store" && table == "mongo" =>
            {
                Some(Secretive::Mongo)
            }
            _ => None,
        };
        sensitive::is_sensitive(name) || table.is_some_and(|table| !is_known(table, name))
    }

    fn value(&mut self, value: &DeValue<'_>) -> Option<Value> {
        if self.path.len() > MAX_DEPTH {
            return self.wrong("nested too deeply");
        }
        Some(match value {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(value) => Value::Bool(*value),
            DeValue::Integer(number) => {
                match i64::from_str_radix(number.as_str(), number.radix()) {
                    Ok(number) => Value::from(number),
                    Err(_) => return self.wrong("a number out of range"),
                }
            }
            DeValue::Float(number) => {
                let number = number.as_str().parse().ok();
                match number.and_then(serde_json::Number::from_f64) {
                    Some(number) => Value::Number(number),
                    None => return self.wrong("not a finite number"),
                }
            }
            DeValue::Datetime(_) => {
                let message = "no key takes a date or a time: if text is meant, put it in quotes";
                return self.wrong(message);
            }
            DeValue::Array(items) => {
                let mut array = Vec::new();
                for (index, item) in items.iter().enumerate() {
                    self.path.push(index.into());
                    let span = item.span();
                    // An item that is wrong keeps its place, so that the others keep theirs.
                    let item = self.value(item.get_ref());
                    array.push(item.unwrap_or(Value::Null));
                    let key = span.clone();
                    self.places.insert(self.path.clone(), Spans { key, value: span });
                    self.path.pop();
                }
                Value::Array(array)
            }
            DeValue::Table(table) => Value::Object(self.table(table)),
        })
    }

    fn wrong(&mut self, message: &str) -> Option<Value> {
        self.wrong.push(Finding::at(&self.path, message));
        None
    }
}
