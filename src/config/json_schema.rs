//! The JSON Schema of the whole file with every plugin's options, for editors and for checkers
//! other than the daemon.
//!
//! What the daemon takes is valid under it. What it can't say the daemon checks alone: bounds of
//! durations and sizes, rules between keys, regular expressions, files.

use confab_plugin::Manifest;
use serde_json::{Map, Value, json};

use super::{bounds::BOUNDS, chain::MAX_LABEL, draft07, entry::PluginEntry, sections::Config};

/// The schema of a configuration file for a daemon with these plugins, in draft 07.
pub fn config(manifests: &[Manifest]) -> Value {
    let schema = draft07::convert(schemars::schema_for!(Config), "config").schema;
    let mut schema = headed("confab configuration", schema);
    for (table, key, least, most) in BOUNDS {
        if let Some(key) = key_mut(&mut schema, table, key)
            && let (Ok(least), Ok(most)) = (least.parse::<i64>(), most.parse::<i64>())
        {
            key.insert("minimum".into(), least.into());
            key.insert("maximum".into(), most.into());
        }
    }
    for (table, key, rule, value) in rules() {
        if let Some(key) = key_mut(&mut schema, table, key) {
            key.insert(rule.into(), value);
        }
    }
    let mut definitions = Map::new();
    for manifest in manifests {
        let converted = options_of(manifest);
        definitions.insert(manifest.name.to_owned(), converted.schema);
        definitions.extend(converted.definitions);
    }
    if let Some(chain) = schema.pointer_mut("/properties/plugins").and_then(Value::as_object_mut) {
        let default = PluginEntry::default_chain(manifests);
        let default: Vec<Value> =
            default.iter().map(|entry| json!({ "use": entry.plugin })).collect();
        chain.insert("default".into(), default.into());
        if manifests.is_empty() {
            chain.insert("maxItems".into(), 0.into());
        }
    }
    if let Some(entry) =
        schema.pointer_mut("/properties/plugins/items").and_then(Value::as_object_mut)
    {
        chain_entry(entry, manifests);
    }
    if let Some(schema) = schema.as_object_mut() {
        schema.insert("definitions".into(), Value::Object(definitions));
    }
    schema
}

/// The schema of a plugin's options, in draft 07.
pub fn options(manifest: &Manifest) -> Value {
    let converted = options_of(manifest);
    let mut schema = headed(manifest.name, converted.schema);
    if !converted.definitions.is_empty()
        && let Some(schema) = schema.as_object_mut()
    {
        schema.insert("definitions".into(), Value::Object(converted.definitions));
    }
    schema
}

fn options_of(manifest: &Manifest) -> draft07::Converted {
    let mut converted = draft07::convert((manifest.schema)(), manifest.name);
    if let Some(schema) = converted.schema.as_object_mut() {
        schema.insert("title".into(), format!("options of {}", manifest.name).into());
    }
    converted
}

/// The schema with what stands at the top of one.
fn headed(title: &str, schema: Value) -> Value {
    let mut whole = Map::new();
    whole.insert("$schema".into(), "http://json-schema.org/draft-07/schema#".into());
    whole.insert("title".into(), title.into());
    if let Value::Object(mut schema) = schema {
        schema.remove("title");
        whole.extend(schema);
    }
    Value::Object(whole)
}

/// Which plugin it is decides which options there are.
fn chain_entry(entry: &mut Map<String, Value>, manifests: &[Manifest]) {
    let reference =
        |manifest: &Manifest| json!({ "$ref": format!("#/definitions/{}", manifest.name) });
    let mut cases = Vec::new();
    for manifest in manifests {
        let required = (manifest.schema)().get("required").is_some();
        let mut then = json!({ "properties": { "options": reference(manifest) } });
        if let (true, Some(then)) = (required, then.as_object_mut()) {
            then.insert("required".into(), json!(["options"]));
        }
        cases.push(json!({
            "if": { "properties": { "use": { "const": manifest.name } }, "required": ["use"] },
            "then": then,
        }));
    }
    let Some(properties) = entry.get_mut("properties").and_then(Value::as_object_mut) else {
        return;
    };
    if manifests.is_empty() {
        return;
    }
    if let Some(plugin) = properties.get_mut("use").and_then(Value::as_object_mut) {
        let names: Vec<&str> = manifests.iter().map(|manifest| manifest.name).collect();
        let helps: Vec<&str> = manifests.iter().map(|manifest| manifest.summary).collect();
        plugin.insert("enum".into(), names.into());
        plugin.insert("x-taplo".into(), json!({ "docs": { "enumValues": helps } }));
    }
    if let Some(options) = properties.get_mut("options").and_then(Value::as_object_mut) {
        // Editors that know no conditions complete the options of all plugins: whatever stands
        // here is valid by the last alternative, and checked by the conditions.
        let mut any: Vec<Value> = manifests.iter().map(reference).collect();
        any.push(Value::Bool(true));
        options.insert("anyOf".into(), any.into());
    }
    // taplo completes the keys of a table with `allOf` from its parts alone, so that they stand in
    // one of them.
    let own = Value::Object(std::mem::take(entry));
    let parts: Vec<Value> = std::iter::once(own).chain(cases).collect();
    entry.insert("allOf".into(), parts.into());
}

/// Table, key, and what else its value must be, as `bounds` and `chain` check it.
fn rules() -> Vec<(&'static str, &'static str, &'static str, Value)> {
    let label = format!("^[a-z0-9._-]{{1,{MAX_LABEL}}}$");
    let mut rules = vec![
        ("plugins", "name", "pattern", label.into()),
        ("plugins", "on", "minItems", 1.into()),
        ("plugins", "on", "uniqueItems", true.into()),
        ("bus.redis", "prefix", "pattern", "^[A-Za-z0-9._-]{1,64}$".into()),
        ("store.mongo", "database", "minLength", 1.into()),
        ("log", "level", "minLength", 1.into()),
    ];
    rules.extend(super::bounds::PATHS.map(|(table, key)| (table, key, "minLength", 1.into())));
    rules
}

/// The schema of a key: `store.mongo`, `uri`; `plugins` are the entries of the chain.
fn key_mut<'s>(root: &'s mut Value, table: &str, key: &str) -> Option<&'s mut Map<String, Value>> {
    let mut schema = root;
    for name in table.split('.') {
        schema = schema.get_mut("properties")?.get_mut(name)?;
    }
    if table == "plugins" {
        schema = schema.get_mut("items")?;
    }
    schema.get_mut("properties")?.get_mut(key)?.as_object_mut()
}
