//! A plugin's options as rows for people, from their JSON Schema.

use serde_json::{Map, Value};

/// Tables within each other that are shown; a schema may hold itself.
const MAX_DEPTH: usize = 2;

/// One option.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row {
    /// Its key, with those of the tables that it is in: `rules[].words`.
    pub key: String,
    /// What it takes, within which bounds, and the default: `whole number from 1 to 9; default 5`.
    pub kind: String,
    /// Its doc comment.
    pub help: String,
}

/// The options of a schema in draft 07, in their order; below a table the keys of that table.
pub(super) fn rows(schema: &Value) -> Vec<Row> {
    let mut rows = Vec::new();
    table(schema, schema, "", 0, &mut rows);
    rows
}

fn table(root: &Value, schema: &Value, above: &str, depth: usize, rows: &mut Vec<Row>) {
    let schema = resolve(root, schema);
    // The alternatives of a table, each with keys of its own.
    for one in alternatives(schema) {
        table(root, one, above, depth, rows);
    }
    let required = schema.get("required").and_then(Value::as_array);
    let required = |key: &str| required.is_some_and(|keys| keys.iter().any(|one| one == key));
    for (key, value) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let value = resolve(root, value);
        let path = format!("{above}{key}");
        let help = value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        let row = Row { kind: kind(root, value, required(key)), key: path.clone(), help };
        // Alternatives often share a key.
        if !rows.contains(&row) {
            rows.push(row);
        }
        if depth < MAX_DEPTH {
            table(root, value, &format!("{path}."), depth + 1, rows);
            if let Some(items) = value.get("items") {
                table(root, items, &format!("{path}[]."), depth + 1, rows);
            }
            if let Some(other) = value.get("additionalProperties") {
                table(root, other, &format!("{path}.NAME."), depth + 1, rows);
            }
        }
    }
}

fn resolve<'s>(root: &'s Value, schema: &'s Value) -> &'s Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|to| root.pointer(to.strip_prefix('#').unwrap_or(to)));
    target.unwrap_or(schema)
}

fn alternatives(schema: &Value) -> impl Iterator<Item = &Value> {
    let lists =
        ["anyOf", "oneOf", "allOf"].into_iter().filter_map(|key| schema.get(key)?.as_array());
    lists.flatten()
}

/// What a value is, its bounds, and what it is when it is not given.
fn kind(root: &Value, schema: &Value, required: bool) -> String {
    let mut text = shape(root, schema);
    let bounds = bounds(schema);
    if !bounds.is_empty() {
        let comma = if schema.get("type").is_some_and(|kind| kind == "array") { "," } else { "" };
        text = format!("{text}{comma} {bounds}");
    }
    match schema.get("default") {
        Some(default) => format!("{text}; default {}", toml(default)),
        None if required => format!("{text}; required"),
        None => format!("{text}; not set by default"),
    }
}

fn shape(root: &Value, schema: &Value) -> String {
    let schema = resolve(root, schema);
    if let Some(word) = schema.get("const") {
        return toml(word);
    }
    if let Some(words) = schema.get("enum").and_then(Value::as_array) {
        return format!("one of {}", words.iter().map(toml).collect::<Vec<_>>().join(" "));
    }
    let pattern = schema.get("pattern").and_then(Value::as_str).unwrap_or_default();
    let types: Vec<&str> = match schema.get("type") {
        Some(Value::String(one)) => vec![one],
        Some(Value::Array(several)) => several.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let names: Vec<String> = types
        .iter()
        .map(|name| match *name {
            "string" if pattern.contains("nanos|") => "duration".to_owned(),
            "string" if pattern.contains("[KkMmGg]") => "size".to_owned(),
            "string" if !pattern.is_empty() => format!("text like {pattern}"),
            "string" => "text".to_owned(),
            "integer" => "whole number".to_owned(),
            "number" => "number".to_owned(),
            "boolean" => "true or false".to_owned(),
            "array" => match schema.get("items") {
                Some(items) => format!("list of {}", many(&shape(root, items))),
                None => "list".to_owned(),
            },
            _ => "table".to_owned(),
        })
        .collect();
    if !names.is_empty() {
        return names.join(" or ");
    }
    let mut several: Vec<String> = Vec::new();
    for one in alternatives(schema).map(|one| shape(root, one)) {
        if !several.contains(&one) {
            several.push(one);
        }
    }
    if several.is_empty() { "any value".to_owned() } else { several.join(" or ") }
}

/// What the items of a list are.
fn many(one: &str) -> String {
    match one {
        "table" | "duration" | "size" | "number" | "whole number" => format!("{one}s"),
        one => one.strip_prefix("one of ").unwrap_or(one).to_owned(),
    }
}

fn bounds(schema: &Value) -> String {
    let range = |least: &str, most: &str, unit: &str| {
        let bound = |key: &str| schema.get(key).filter(|bound| bound.is_number());
        match (bound(least), bound(most)) {
            (Some(least), Some(most)) => Some(format!("from {least} to {most}{unit}")),
            // That nothing is below nothing goes without saying.
            (Some(least), None) if least.as_f64() == Some(0.0) => None,
            (Some(least), None) => Some(format!("at least {least}{unit}")),
            (None, Some(most)) => Some(format!("at most {most}{unit}")),
            (None, None) => None,
        }
    };
    let ranges = [
        range("minimum", "maximum", ""),
        range("minLength", "maxLength", " characters"),
        range("minItems", "maxItems", ""),
    ];
    ranges.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A value as an operator writes it.
fn toml(value: &Value) -> String {
    match value {
        Value::Object(table) if *table == Map::new() => "{}".to_owned(),
        value => toml::Value::try_from(value).map_or_else(|_| value.to_string(), |v| v.to_string()),
    }
}
