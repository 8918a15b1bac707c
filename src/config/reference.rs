//! Every key of the configuration as a manual lists it: help, kind, bounds, default, variables.

use serde_json::Value;

use super::{
    bounds::BOUNDS,
    effective::{example, keys},
    schema::{CONFIG, resolve, unwrap_option, words_of},
    sections::Config,
    tables::{self, Table},
    variables,
};

/// A table of the configuration file.
#[derive(Debug)]
pub struct Section {
    /// Its name as in its header: `bus.redis`. `plugins` is an array of tables.
    pub name: String,
    /// What it is for.
    pub help: String,
    /// Its keys, in their order.
    pub keys: Vec<Key>,
}

/// A key of a table.
#[derive(Debug)]
pub struct Key {
    /// Its name.
    pub name: String,
    /// What it is for: its doc comment.
    pub help: String,
    /// What it takes, with its bounds: `duration from 1s to 5m`.
    pub kind: String,
    /// Its default as TOML; `None` if it is not set by default.
    pub default: Option<String>,
    /// Whether it has to be given.
    pub required: bool,
    /// The variables that give it too.
    pub variables: Vec<String>,
}

/// All tables with all of their keys, in the order of `config/confab.toml`.
pub fn sections() -> Vec<Section> {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut sections = Vec::new();
    for (name, schema) in keys(&CONFIG) {
        if let Some(chain) = defaults.get(name).and_then(Value::as_array) {
            let entry = schema.get("items").unwrap_or(schema);
            sections.push(section(name, schema, entry, chain.first()));
            continue;
        }
        for Table { name, help, .. } in tables::of(name) {
            let defaults = defaults.pointer(&format!("/{}", name.replace('.', "/")));
            sections.push(section(name, help, help, defaults));
        }
    }
    sections
}

fn section(name: &str, help: &Value, schema: &Value, defaults: Option<&Value>) -> Section {
    let required = resolve(&CONFIG, schema).get("required").and_then(Value::as_array);
    let required = |key: &str| required.is_some_and(|keys| keys.iter().any(|one| one == key));
    let mut all = Vec::new();
    for (key, schema) in keys(schema) {
        // A table in a table is a section of its own.
        let inner = resolve(&CONFIG, schema).get("properties").is_some();
        if inner {
            continue;
        }
        let required = required(key);
        let default = example(schema, defaults.and_then(|table| table.get(key)));
        let default = default.filter(|(_, set)| *set && !required).map(|(value, _)| toml(&value));
        let bounds = BOUNDS.iter().find(|bound| bound.0 == name && bound.1 == key);
        let mut kind = kind(unwrap_option(&CONFIG, schema));
        if let Some((_, _, least, most)) = bounds {
            kind = format!("{kind} from {least} to {most}");
        }
        all.push(Key {
            name: key.clone(),
            help: text(schema),
            kind,
            default,
            required,
            variables: variables::of(name, key),
        });
    }
    Section { name: name.to_owned(), help: text(help), keys: all }
}

/// What a value is, in a word or two.
fn kind(schema: &Value) -> String {
    if let Some(words) = words_of(schema) {
        let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
        return words.join(", ");
    }
    let name = match schema.get("type") {
        Some(Value::Array(names)) => names.first().and_then(Value::as_str),
        Some(name) => name.as_str(),
        None => None,
    };
    match (name, schema.get("format").and_then(Value::as_str)) {
        (_, Some("confab-duration")) => "duration".to_owned(),
        (_, Some("confab-bytes")) => "size".to_owned(),
        (_, Some("confab-address")) => "address and port".to_owned(),
        (Some("string"), _) => "string".to_owned(),
        (Some("integer"), _) => "whole number".to_owned(),
        (Some("number"), _) => "number".to_owned(),
        (Some("boolean"), _) => "true or false".to_owned(),
        (Some("array"), _) => {
            let items = schema.get("items").map(|items| resolve(&CONFIG, items));
            match items.and_then(words_of) {
                Some(words) => format!("array of {}", words.join(", ")),
                None => "array of strings".to_owned(),
            }
        }
        _ => "table".to_owned(),
    }
}

fn text(schema: &Value) -> String {
    schema.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn toml(value: &Value) -> String {
    toml::Value::try_from(value).map_or_else(|_| "{}".to_owned(), |value| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key<'s>(sections: &'s [Section], table: &str, key: &str) -> &'s Key {
        let section = sections.iter().find(|section| section.name == table).unwrap();
        section.keys.iter().find(|one| one.name == key).unwrap()
    }

    #[test]
    fn config_reference_tells_kind_bounds_default_and_variables() {
        let all = sections();
        let grace = key(&all, "server", "drain_grace");
        assert_eq!(grace.kind, "duration from 0s to 1h");
        assert_eq!(grace.default.as_deref(), Some("\"10s\""));
        assert_eq!(grace.variables, ["CONFAB_SERVER__DRAIN_GRACE"]);
        let secret = key(&all, "auth", "secret_key");
        assert_eq!((secret.kind.as_str(), secret.default.as_deref()), ("string", None));
        assert_eq!(secret.variables, ["SECRET_KEY", "CONFAB_AUTH__SECRET_KEY"]);
        assert!(key(&all, "auth", "algorithm").kind.starts_with("\"HS256\", \"HS384\""));
        assert_eq!(key(&all, "server", "allowed_origins").kind, "array of strings");
        let used = key(&all, "plugins", "use");
        assert!(used.required && used.default.is_none() && used.variables.is_empty());
        let on = key(&all, "plugins", "on");
        assert!(on.kind.contains("array of") && on.kind.contains("typing"), "{on:?}");
        assert_eq!(key(&all, "plugins", "mode").default.as_deref(), Some("\"enforce\""));
        assert!(all.iter().all(|s| s.keys.iter().all(|key| !key.help.is_empty())));
    }

    #[test]
    fn config_reference_has_every_table_and_no_key_twice() {
        let all = sections();
        let mut names: Vec<_> = all.iter().map(|section| section.name.as_str()).collect();
        assert!(names.contains(&"bus.redis") && !names.contains(&"bus"), "{names:?}");
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count);
        let known: usize = tables::TABLES.iter().map(|table| table.keys.len()).sum();
        let told: usize =
            all.iter().filter(|s| s.name != "plugins").map(|section| section.keys.len()).sum();
        assert_eq!(told, known);
    }
}
