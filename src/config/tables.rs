//! The tables of the configuration by name: `server`, `bus.redis`.

use std::{collections::BTreeSet, sync::LazyLock};

use confab_plugin::Segment;
use serde_json::{Map, Value};

use super::{
    document::Path,
    schema::{CONFIG, resolve, unwrap_option},
};

/// A table that has keys, other than the chain.
pub(super) struct Table {
    /// Its name as in the header of a file.
    pub name: String,
    /// What it is for.
    pub help: &'static Value,
    /// Its keys, without the tables in it.
    pub keys: Vec<(&'static str, &'static Value)>,
}

/// All tables, in their order.
pub(super) static TABLES: LazyLock<Vec<Table>> = LazyLock::new(|| {
    let mut tables = Vec::new();
    for (section, schema) in properties(&CONFIG) {
        add(&mut tables, section, schema);
    }
    tables
});

fn add(tables: &mut Vec<Table>, name: &str, schema: &'static Value) {
    let (inner, keys): (Vec<_>, Vec<_>) =
        properties(schema).partition(|(_, schema)| properties(schema).next().is_some());
    if !keys.is_empty() {
        tables.push(Table { name: name.to_owned(), help: schema, keys });
    }
    for (key, schema) in inner {
        add(tables, &format!("{name}.{key}"), schema);
    }
}

fn properties(schema: &'static Value) -> impl Iterator<Item = (&'static str, &'static Value)> {
    let properties = resolve(&CONFIG, schema).get("properties").and_then(Value::as_object);
    properties.into_iter().flatten().map(|(key, schema)| (key.as_str(), schema))
}

/// A section and the tables in it.
pub(super) fn of(section: &str) -> impl Iterator<Item = &'static Table> {
    TABLES.iter().filter(move |table| table.name.split('.').next() == Some(section))
}

/// The way to a table, from its name.
pub(super) fn table_path(table: &str) -> Path {
    table.split('.').map(Segment::from).collect()
}

/// The way to a key.
pub(super) fn path(table: &str, key: &str) -> Path {
    let mut path = table_path(table);
    path.push(key.into());
    path
}

/// The value of a key.
pub(super) fn get<'v>(tree: &'v Map<String, Value>, table: &str, key: &str) -> Option<&'v Value> {
    let mut names = table.split('.');
    let mut value = tree.get(names.next()?)?;
    for name in names {
        value = value.get(name)?;
    }
    value.get(key)
}

/// A tree that holds one key.
pub(super) fn tree(table: &str, key: &str, value: Value) -> Map<String, Value> {
    let mut tree = Map::from_iter([(key.to_owned(), value)]);
    for name in table.split('.').rev() {
        tree = Map::from_iter([(name.to_owned(), Value::Object(tree))]);
    }
    tree
}

/// The tables that hold secrets, with all of their keys.
static TABLES_OF_SECRETS: LazyLock<Vec<(Path, BTreeSet<&'static str>)>> = LazyLock::new(|| {
    let secret = |(_, schema): &(&str, &'static Value)| {
        unwrap_option(&CONFIG, schema).get("writeOnly") == Some(&Value::Bool(true))
    };
    let tables = TABLES.iter().filter(|table| table.keys.iter().any(secret));
    let keys = |table: &Table| table.keys.iter().map(|(key, _)| *key).collect();
    tables.map(|table| (table_path(&table.name), keys(table))).collect()
});

/// The keys of a table that holds secrets; `None` for other tables.
pub(super) fn keys_beside_secrets(table: &[Segment]) -> Option<&'static BTreeSet<&'static str>> {
    TABLES_OF_SECRETS.iter().find(|(path, _)| path == table).map(|(_, keys)| keys)
}

/// Whether this is a table with secrets in it or below it, so that something else in its place
/// may be one.
pub(super) fn lead_to_secrets(table: &[Segment]) -> bool {
    TABLES_OF_SECRETS.iter().any(|(path, _)| path.starts_with(table))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_in_tables_have_names() {
        let names: Vec<&str> = TABLES.iter().map(|table| table.name.as_str()).collect();
        assert!(names.contains(&"server") && names.contains(&"bus.redis"), "{names:?}");
        assert!(!names.contains(&"plugins"));
        // It has nothing but a table in it.
        assert!(!names.contains(&"bus"));
    }

    #[test]
    fn keys_are_found_by_the_names_of_their_tables() {
        let tree = tree("a.b", "c", json!(1));
        assert_eq!(Value::Object(tree.clone()), json!({ "a": { "b": { "c": 1 } } }));
        assert_eq!(get(&tree, "a.b", "c"), Some(&json!(1)));
        assert_eq!(get(&tree, "a", "c"), None);
        assert_eq!(path("a.b", "c"), ["a".into(), "b".into(), "c".into()]);
    }

    #[test]
    fn tables_with_secrets_are_known() {
        assert!(keys_beside_secrets(&table_path("auth")).unwrap().contains("issuer"));
        assert!(keys_beside_secrets(&table_path("bus.redis")).unwrap().contains("prefix"));
        assert!(keys_beside_secrets(&table_path("server")).is_none());
        assert!(lead_to_secrets(&table_path("bus")) && lead_to_secrets(&table_path("bus.redis")));
        assert!(!lead_to_secrets(&table_path("bus.redis.url")));
    }
}
