//! The tables of the configuration file, those within others too: `store`, `store.mongo`.

use serde_json::{Map, Value};

use super::{
    document::Path,
    schema::{CONFIG, resolve},
};

/// A table.
pub(super) struct Table {
    /// As its header in a file names it.
    pub name: String,
    /// Where the help stands.
    pub schema: &'static Value,
}

impl Table {
    /// The keys in their order, with the schema of each; without tables.
    pub fn keys(&self) -> impl Iterator<Item = (&'static String, &'static Value)> + use<> {
        properties(self.schema).into_iter().flatten().filter(|(_, schema)| !is_table(schema))
    }
}

/// All tables, each before those within it. The chain is none.
pub(super) fn all() -> Vec<Table> {
    let mut found = Vec::new();
    for (name, schema) in properties(&CONFIG).into_iter().flatten() {
        add(&mut found, name.clone(), schema);
    }
    found
}

fn add(found: &mut Vec<Table>, name: String, schema: &'static Value) {
    if !is_table(schema) {
        return;
    }
    let within = properties(schema).into_iter().flatten();
    let within: Vec<_> = within.map(|(key, schema)| (format!("{name}.{key}"), schema)).collect();
    found.push(Table { name, schema });
    for (name, schema) in within {
        add(found, name, schema);
    }
}

fn properties(schema: &'static Value) -> Option<&'static Map<String, Value>> {
    resolve(&CONFIG, schema).get("properties")?.as_object()
}

fn is_table(schema: &'static Value) -> bool {
    properties(schema).is_some()
}

/// The way to a key of a table.
pub(super) fn path(table: &str, key: &str) -> Path {
    table.split('.').chain([key]).map(Into::into).collect()
}

/// The value at a key of a table.
pub(super) fn find<'v>(tree: &'v Map<String, Value>, table: &str, key: &str) -> Option<&'v Value> {
    let mut names = table.split('.');
    let mut value = tree.get(names.next()?)?;
    for name in names {
        value = value.get(name)?;
    }
    value.get(key)
}

/// A tree with one key of a table.
pub(super) fn tree(table: &str, key: &str, value: Value) -> Map<String, Value> {
    let mut tree = Map::from_iter([(key.to_owned(), value)]);
    for name in table.rsplit('.') {
        tree = Map::from_iter([(name.to_owned(), Value::Object(tree))]);
    }
    tree
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tables_within_tables() {
        let names: Vec<_> = all().into_iter().map(|table| table.name).collect();
        let place = |name: &str| names.iter().position(|one| one == name);
        assert!(place("store") < place("store.mongo") && place("store").is_some());
        assert_eq!(place("plugins"), None);
        let made = tree("store.mongo", "uri", json!(1));
        assert_eq!(Value::Object(made.clone()), json!({ "store": { "mongo": { "uri": 1 } } }));
        assert_eq!(find(&made, "store.mongo", "uri"), Some(&json!(1)));
        assert_eq!(find(&made, "store", "uri"), None);
        assert_eq!(path("store.mongo", "uri").len(), 3);
    }
}
