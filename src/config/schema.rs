//! Checks a tree of values against a JSON Schema and tells all that is wrong, not only the
//! first: unknown keys, wrong types, unknown words, ill-formed durations, sizes and addresses.
//!
//! It knows the schemas that `schemars` derives. What it does not know it lets through, for
//! the typed deserialization to decide.

use std::{net::SocketAddr, sync::LazyLock};

use confab_plugin::{ByteSize, Duration, Segment};
use serde_json::{Map, Value};

use super::{
    document::{Finding, Path},
    sections::Config,
    sensitive::is_uri,
    suggest::did_you_mean,
    tables::{self, TABLES, table_path},
};

/// The schema of the whole configuration.
pub(super) static CONFIG: LazyLock<Value> =
    LazyLock::new(|| schemars::schema_for!(Config).to_value());

/// The schema that `schema` refers to, or itself.
pub(super) fn resolve<'s>(root: &'s Value, mut schema: &'s Value) -> &'s Value {
    // A chain of references that is longer than this is a circle.
    for _ in 0..16 {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
            break;
        };
        let pointer = reference.strip_prefix('#').unwrap_or(reference);
        let Some(target) = root.pointer(pointer) else {
            break;
        };
        schema = target;
    }
    schema
}

/// The schema without the alternative `null`, which marks a key that may be missing.
pub(super) fn unwrap_option<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let schema = resolve(root, schema);
    match alternatives(schema).as_slice() {
        [one] => resolve(root, one),
        _ => schema,
    }
}

/// The alternatives of `anyOf` or `oneOf`, without `null`.
fn alternatives(schema: &Value) -> Vec<&Value> {
    let list = schema.get("anyOf").or_else(|| schema.get("oneOf"));
    let list = list.and_then(Value::as_array).into_iter().flatten();
    list.filter(|one| one.get("type").and_then(Value::as_str) != Some("null")).collect()
}

/// Checks `value`, which stands at `path`, against `schema`, whose references are in `root`.
pub(super) fn check(root: &Value, schema: &Value, value: &Value, path: &[Segment]) -> Vec<Finding> {
    let mut walker = Walker { root, path: path.to_vec(), findings: Vec::new() };
    walker.value(schema, value);
    walker.findings
}

struct Walker<'s> {
    root: &'s Value,
    path: Path,
    findings: Vec<Finding>,
}

impl Walker<'_> {
    fn value(&mut self, schema: &Value, value: &Value) {
        let schema = resolve(self.root, schema);
        for part in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            self.value(part, value);
        }
        let alternatives = alternatives(schema);
        if let Some(words) = words(schema, &alternatives) {
            self.word(&words, value);
            return;
        }
        match alternatives.as_slice() {
            [] => {}
            [one] => self.value(one, value),
            several => self.best_of(several, value),
        }
        if !self.has_type(schema, value) {
            return;
        }
        match value {
            Value::Object(table) => self.table(schema, table),
            Value::Array(items) => self.items(schema, items),
            Value::String(text) => self.format(schema, text),
            Value::Number(number) => self.range(schema, number),
            Value::Null | Value::Bool(_) => {}
        }
    }

    /// Of several alternatives, the one the value comes nearest to.
    fn best_of(&mut self, several: &[&Value], value: &Value) {
        let attempts = several
            .iter()
            .map(|one| (self.tagged(one, value), check(self.root, one, value, &self.path)));
        let best = attempts
            .min_by_key(|(tagged, findings)| (!findings.is_empty(), !tagged, findings.len()));
        self.findings.extend(best.into_iter().flat_map(|(_, findings)| findings));
    }

    /// Whether a table has the word that picks this alternative, as in `type = "…"`.
    fn tagged(&self, alternative: &Value, value: &Value) -> bool {
        let alternative = resolve(self.root, alternative);
        let properties = alternative.get("properties").and_then(Value::as_object);
        properties.into_iter().flatten().any(|(key, schema)| {
            schema.get("const").is_some_and(|word| value.get(key) == Some(word))
        })
    }

    fn word(&mut self, words: &[&str], value: &Value) {
        let Some(text) = value.as_str() else {
            return self.mismatch(&one_of(words), value, false);
        };
        if !words.contains(&text) {
            let hint = did_you_mean(text, words.iter().copied());
            let message = format!("unknown value {}{hint}", quoted(text));
            self.findings.push(Finding::at(&self.path, message).help(one_of(words)));
        }
    }

    fn has_type(&mut self, schema: &Value, value: &Value) -> bool {
        let types: Vec<&str> = match schema.get("type") {
            Some(Value::String(one)) => vec![one],
            Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
            _ => return true,
        };
        let fits = types.iter().any(|name| match *name {
            "string" => value.is_string(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "boolean" => value.is_boolean(),
            "array" => value.is_array(),
            "object" => value.is_object(),
            "null" => value.is_null(),
            _ => true,
        });
        if !fits {
            let secret = schema.get("writeOnly") == Some(&Value::Bool(true))
                || tables::lead_to_secrets(&self.path);
            let name = types.iter().find(|name| **name != "null").copied();
            self.mismatch(expected(name, schema), value, secret);
        }
        fits
    }

    fn mismatch(&mut self, expected: &str, value: &Value, secret: bool) {
        let found = match value {
            Value::String(_) if secret => "text".to_owned(),
            Value::Number(_) if secret => "a number".to_owned(),
            Value::String(text) => quoted(text),
            Value::Number(number) => format!("the number {number}"),
            Value::Bool(value) => value.to_string(),
            Value::Array(_) => "an array".to_owned(),
            Value::Object(_) => "a table".to_owned(),
            Value::Null => "nothing".to_owned(),
        };
        let message = format!("expected {expected}, found {found}");
        self.findings.push(Finding::at(&self.path, message));
    }

    fn table(&mut self, schema: &Value, table: &Map<String, Value>) {
        let empty = Map::new();
        let known = schema.get("properties").and_then(Value::as_object);
        let known = known.unwrap_or(&empty);
        let other = schema.get("additionalProperties");
        for (key, value) in table {
            self.path.push(key.as_str().into());
            match (known.get(key), other) {
                (Some(schema), _) => self.value(schema, value),
                (None, Some(Value::Bool(false))) => self.unknown_key(key, known),
                (None, Some(schema)) if schema.is_object() => self.value(schema, value),
                (None, _) => {}
            }
            self.path.pop();
        }
        let required = schema.get("required").and_then(Value::as_array);
        for key in required.into_iter().flatten().filter_map(Value::as_str) {
            if !table.contains_key(key) {
                let message = format!("\"{key}\" is missing {}", place(&self.path));
                // At a key that is missing; its place is that of the table.
                self.path.push(key.into());
                self.findings.push(Finding::at(&self.path, message));
                self.path.pop();
            }
        }
    }

    fn unknown_key(&mut self, key: &str, known: &Map<String, Value>) {
        let (_, above) = self.path.split_last().unwrap_or((&Segment::Index(0), &[]));
        let mut hint = did_you_mean(key, known.keys().map(String::as_str));
        let of_config = std::ptr::eq(self.root, &*CONFIG);
        if of_config && hint.is_empty() && above.iter().all(|step| matches!(step, Segment::Key(_)))
        {
            hint = elsewhere(key, above);
        }
        let message = format!("unknown key {} {}{hint}", quoted(key), place(above));
        let mut finding = Finding::at(&self.path, message).key();
        if let [Segment::Key(chain), Segment::Index(_)] = above
            && chain == "plugins"
        {
            finding = finding.help("a plugin's own options stand in [plugins.options]");
        } else if hint.is_empty() {
            let keys: Vec<&str> = known.keys().map(String::as_str).collect();
            finding = finding.help(match keys.as_slice() {
                [] => "there are no keys here".to_owned(),
                keys => format!("the keys here are {}", keys.join(", ")),
            });
        }
        self.findings.push(finding);
    }

    fn items(&mut self, schema: &Value, items: &[Value]) {
        let Some(schema) = schema.get("items") else {
            return;
        };
        for (index, item) in items.iter().enumerate() {
            self.path.push(index.into());
            self.value(schema, item);
            self.path.pop();
        }
    }

    fn format(&mut self, schema: &Value, text: &str) {
        let wrong = match schema.get("format").and_then(Value::as_str) {
            Some("confab-duration") => text.parse::<Duration>().err().map(|e| e.to_string()),
            Some("confab-bytes") => text.parse::<ByteSize>().err().map(|e| e.to_string()),
            Some("confab-address") => text.parse::<SocketAddr>().err().map(|_| {
                "not an address: write an IP address and a port, such as \"127.0.0.1:8080\" or \
                 \"[::]:8080\""
                    .to_owned()
            }),
            _ => None,
        };
        if let Some(wrong) = wrong {
            let message = format!("{} is {wrong}", quoted(text));
            self.findings.push(Finding::at(&self.path, message));
        }
    }

    fn range(&mut self, schema: &Value, number: &serde_json::Number) {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        let Some(value) = number.as_f64() else {
            return;
        };
        // schemars states the bounds of the smaller types only.
        let format = schema.get("format").and_then(Value::as_str);
        let most = match format {
            Some("uint32") => Some(f64::from(u32::MAX)),
            Some("int32") => Some(f64::from(i32::MAX)),
            _ => bound("maximum"),
        };
        let message = if let Some(least) = bound("minimum").filter(|least| value < *least) {
            format!("must be at least {least}, and is {number}")
        } else if let Some(most) = most.filter(|most| value > *most) {
            format!("must be at most {most}, and is {number}")
        } else {
            return;
        };
        self.findings.push(Finding::at(&self.path, message));
    }
}

/// The words of an enumeration, if it is one.
pub(super) fn words_of(schema: &Value) -> Option<Vec<&str>> {
    words(schema, &alternatives(schema))
}

fn words<'s>(schema: &'s Value, alternatives: &[&'s Value]) -> Option<Vec<&'s str>> {
    let own = |schema: &'s Value| -> Option<Vec<&'s str>> {
        if let Some(word) = schema.get("const") {
            return Some(vec![word.as_str()?]);
        }
        let list = schema.get("enum")?.as_array()?;
        list.iter().map(Value::as_str).collect()
    };
    if let Some(words) = own(schema) {
        return Some(words);
    }
    let lists: Option<Vec<_>> = alternatives.iter().map(|one| own(one)).collect();
    lists.map(|lists| lists.concat()).filter(|words| !words.is_empty())
}

fn one_of(words: &[&str]) -> String {
    format!("one of {}", words.join(", "))
}

fn expected(name: Option<&str>, schema: &Value) -> &'static str {
    match (name, schema.get("format").and_then(Value::as_str)) {
        (_, Some("confab-duration")) => "a duration such as \"250ms\" or \"10s\"",
        (_, Some("confab-bytes")) => "a size such as \"512B\" or \"64KiB\"",
        (_, Some("confab-address")) => "an address such as \"127.0.0.1:8080\"",
        (Some("string"), _) => "a string",
        (Some("integer"), _) => "a whole number",
        (Some("number"), _) => "a number",
        (Some("boolean"), _) => "true or false",
        (Some("array"), _) => "an array",
        (Some("object"), _) => "a table",
        _ => "something else",
    }
}

/// Where a key that is unknown here would be known.
fn elsewhere(key: &str, here: &[Segment]) -> String {
    for table in TABLES.iter() {
        let known = table.keys.iter().any(|(known, _)| *known == key);
        if known && here != table_path(&table.name) {
            return format!(", it belongs in [{}]", table.name);
        }
    }
    String::new()
}

/// A table as its header in a file names it: `in [server]`.
pub(super) fn place(path: &[Segment]) -> String {
    let keys: Vec<&str> = path
        .iter()
        .filter_map(|segment| match segment {
            Segment::Key(key) => Some(key.as_str()),
            Segment::Index(_) => None,
        })
        .collect();
    match path.last() {
        None => "at the top level".to_owned(),
        Some(Segment::Key(_)) => format!("in [{}]", keys.join(".")),
        Some(Segment::Index(_)) => format!("in [[{}]]", keys.join(".")),
    }
}

/// Text in quotes, cut when long. A URI that may hold a password is not shown, and neither are
/// several lines: a quote that is not closed may have made them one, with a secret in it.
pub(super) fn quoted(text: &str) -> String {
    const MOST: usize = 60;
    if text.contains('\n') {
        return "several lines of text".to_owned();
    }
    if is_uri(text) {
        return "a URI".to_owned();
    }
    if text.chars().count() <= MOST {
        return format!("{text:?}");
    }
    let start: String = text.chars().take(MOST).collect();
    format!("{start:?}…")
}
