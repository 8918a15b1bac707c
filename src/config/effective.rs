//! The effective configuration as TOML, each value with its origin.

use std::fmt::Write as _;

use confab_plugin::Manifest;
use serde_json::{Map, Value};

use super::{
    load::Loaded,
    schema::{CONFIG, resolve},
    sensitive,
    tables::{self, TABLES, Table},
};

pub(super) const REDACTED: &str = "[redacted]";

/// The configuration as a TOML document with a comment on each line that says where the value
/// came from. Secrets are not shown.
pub fn render(loaded: &Loaded, manifests: &[Manifest]) -> String {
    let tree = serde_json::to_value(&loaded.config).unwrap_or_default();
    let mut out = String::new();
    for Table { name, keys, .. } in TABLES.iter() {
        let _ = writeln!(out, "[{name}]");
        for (key, _) in keys {
            let value = tree.as_object().and_then(|tree| tables::get(tree, name, key));
            let origin = loaded.origins.of(&format!("{name}.{key}")).to_string();
            line(&mut out, key, value.unwrap_or(&Value::Null), &origin);
        }
        out.push('\n');
    }
    let entries = tree.get("plugins").and_then(Value::as_array);
    let entries = entries.map_or(&[][..], Vec::as_slice);
    if entries.is_empty() {
        let _ = writeln!(out, "# The chain is empty.");
    }
    for (number, entry) in entries.iter().enumerate() {
        if number > 0 {
            out.push('\n');
        }
        chain_entry(&mut out, loaded, number, entry, manifests);
    }
    out
}

fn chain_entry(
    out: &mut String,
    loaded: &Loaded,
    number: usize,
    entry: &Value,
    manifests: &[Manifest],
) {
    out.push_str("[[plugins]]\n");
    let plugin = entry.get("use").and_then(Value::as_str).unwrap_or_default();
    for (key, value) in entry.as_object().into_iter().flatten() {
        let origin = loaded.origins.of(&format!("plugins[{number}].{key}")).to_string();
        match (key.as_str(), value) {
            ("options", _) => {}
            ("name", Value::Null) => line(out, key, &plugin.into(), "the plugin's name"),
            ("on", Value::Null) => {
                let manifest = manifests.iter().find(|manifest| manifest.name == plugin);
                let kinds = manifest.map_or(&[][..], |manifest| manifest.on);
                let kinds = kinds.iter().map(|kind| kind.as_str()).collect();
                line(out, key, &kinds, "the plugin's choice");
            }
            _ => line(out, key, value, &origin),
        }
    }
    let options = entry.get("options").and_then(Value::as_object);
    if let Some(options) = options.filter(|options| !options.is_empty()) {
        out.push_str("[plugins.options]\n");
        for (key, value) in options {
            let path = format!("plugins[{number}].options.{key}");
            line(out, key, &redact(key, value), &loaded.origins.of(&path).to_string());
        }
    }
}

/// A value without the secrets that it may hold. All that stands below the name of a secret is
/// one.
pub(super) fn redact(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(table) => {
            let name = |inner| if sensitive::is_sensitive(key) { key } else { inner };
            let redacted = table.iter().map(|(key, value)| (key.clone(), redact(name(key), value)));
            Value::Object(redacted.collect())
        }
        Value::Array(items) => items.iter().map(|item| redact(key, item)).collect(),
        Value::String(_) | Value::Number(_) if sensitive::is_sensitive(key) => REDACTED.into(),
        Value::String(text) if sensitive::is_uri(text) => REDACTED.into(),
        other => other.clone(),
    }
}

/// `key = value  # origin`
fn line(out: &mut String, key: &str, value: &Value, origin: &str) {
    let origin: String = origin.chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    let _ = match value {
        Value::Null => writeln!(out, "# {key} is not set"),
        value => writeln!(out, "{}  # {origin}", assignment(key, value)),
    };
}

/// `key = value` as TOML.
pub(super) fn assignment(key: &str, value: &Value) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let value = toml::Value::try_from(value).map_or_else(|_| "{}".to_owned(), |v| v.to_string());
    if !key.is_empty() && key.chars().all(bare) {
        return format!("{key} = {value}");
    }
    let table = toml::Table::from_iter([(key.to_owned(), toml::Value::Boolean(true))]);
    let quoted = toml::to_string(&table).unwrap_or_default();
    format!("{} = {value}", quoted.trim_end().trim_end_matches(" = true"))
}

/// The default of a key as the schema's examples or the defaults give it.
pub(super) fn example(schema: &Value, default: Option<&Value>) -> Option<(Value, bool)> {
    if let Some(value) = default.filter(|value| !value.is_null()) {
        return Some((value.clone(), true));
    }
    let examples = schema.get("examples")?.as_array()?;
    Some((examples.first()?.clone(), false))
}

/// The keys of a table in their order, with the schema of each.
pub(super) fn keys(schema: &Value) -> impl Iterator<Item = (&String, &Value)> {
    let properties: Option<&Map<String, Value>> =
        resolve(&CONFIG, schema).get("properties").and_then(Value::as_object);
    properties.into_iter().flatten()
}
