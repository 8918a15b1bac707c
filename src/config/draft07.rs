//! Turns a schema that `schemars` derived into one for editors and other checkers: draft 07,
//! without references, without `null`, with the words of an enumeration in one list.
//!
//! Editors show what stands beside a reference only in newer drafts, and TOML has no `null`.

use schemars::transform::{ReplacePrefixItems, ReplaceUnevaluatedProperties, Transform as _};
use serde_json::{Map, Value, json};

use super::schema;

/// What is parsed as an address with a port; some that match are none, such as `999.1.1.1:80`.
const ADDRESS: &str = r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9A-Fa-f:.]+(%[0-9]+)?\]):[0-9]+$";

/// A schema, and what it refers to because it holds itself.
pub(super) struct Converted {
    pub schema: Value,
    /// Below `#/definitions/`.
    pub definitions: Map<String, Value>,
}

/// Converts a schema. The names of its definitions begin with `prefix`.
pub(super) fn convert(mut schema: schemars::Schema, prefix: &str) -> Converted {
    ReplaceUnevaluatedProperties::default().transform(&mut schema);
    ReplacePrefixItems::default().transform(&mut schema);
    let root = schema.to_value();
    let mut converter = Converter { root: &root, prefix, inside: Vec::new(), needed: Vec::new() };
    let mut schema = converter.schema(&root);
    if let Some(title) = root.get("title") {
        schema.insert("title".into(), title.clone());
    }
    let mut definitions = Map::new();
    while let Some(reference) = converter.needed.pop() {
        let name = converter.name(&reference);
        if !definitions.contains_key(&name) {
            converter.inside = vec![reference.clone()];
            let target = schema::resolve(&root, &json!({ "$ref": reference })).clone();
            definitions.insert(name, Value::Object(converter.schema(&target)));
        }
    }
    Converted { schema: Value::Object(schema), definitions }
}

struct Converter<'s> {
    root: &'s Value,
    prefix: &'s str,
    /// The references that lead to where it is now.
    inside: Vec<String>,
    /// The references that were kept.
    needed: Vec<String>,
}

impl Converter<'_> {
    /// The name of a definition: `#/$defs/Rule` of the plugin `filter` is `filter.Rule`.
    fn name(&self, reference: &str) -> String {
        format!("{}.{}", self.prefix, reference.rsplit('/').next().unwrap_or("Options"))
    }

    fn schema(&mut self, schema: &Value) -> Map<String, Value> {
        let Some(given) = schema.as_object() else {
            // `true` takes all; `false` takes nothing.
            return if schema == &Value::Bool(false) {
                object(json!({ "not": {} }))
            } else {
                Map::new()
            };
        };
        if let Some(Value::String(reference)) = given.get("$ref") {
            return self.reference(reference, given);
        }
        let mut out = Map::new();
        for (key, value) in given {
            let value = match key.as_str() {
                "$schema" | "$defs" | "title" => continue,
                // A table's default is that of its keys.
                "default" if value.is_null() || given.contains_key("properties") => continue,
                "type" => without_null(value),
                "format" => match format(value, given) {
                    Some((key, value)) => {
                        out.insert(key.into(), value);
                        continue;
                    }
                    None => continue,
                },
                "properties" | "patternProperties" => self.each(value),
                "items" | "not" | "contains" | "propertyNames" | "if" | "then" | "else"
                    if value.is_object() =>
                {
                    Value::Object(self.schema(value))
                }
                "additionalProperties" if value.is_object() => Value::Object(self.schema(value)),
                "items" | "allOf" | "anyOf" | "oneOf" if value.is_array() => self.list(value),
                _ => value.clone(),
            };
            out.insert(key.clone(), value);
        }
        simplify(out)
    }

    fn reference(&mut self, reference: &str, given: &Map<String, Value>) -> Map<String, Value> {
        if self.inside.iter().any(|outer| outer == reference) {
            self.needed.push(reference.to_owned());
            return object(json!({ "$ref": format!("#/definitions/{}", self.name(reference)) }));
        }
        let target = schema::resolve(self.root, &json!({ "$ref": reference })).clone();
        self.inside.push(reference.to_owned());
        let mut out = self.schema(&target);
        // What stands beside the reference says more of this place.
        let mut beside = given.clone();
        beside.remove("$ref");
        if out.contains_key("properties") {
            beside.remove("default");
        }
        out.extend(self.schema(&Value::Object(beside)));
        self.inside.pop();
        out
    }

    fn each(&mut self, schemas: &Value) -> Value {
        let schemas = schemas.as_object().into_iter().flatten();
        let each = schemas.map(|(key, schema)| (key.clone(), Value::Object(self.schema(schema))));
        Value::Object(each.collect())
    }

    fn list(&mut self, schemas: &Value) -> Value {
        let schemas = schemas.as_array().into_iter().flatten();
        let not_null = schemas.filter(|one| one.get("type") != Some(&"null".into()));
        not_null.map(|schema| Value::Object(self.schema(schema))).collect()
    }
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn without_null(types: &Value) -> Value {
    let Some(several) = types.as_array() else { return types.clone() };
    let left: Vec<&Value> = several.iter().filter(|one| **one != "null").collect();
    match left.as_slice() {
        [one] => (*one).clone(),
        several => several.iter().copied().cloned().collect(),
    }
}

/// What a format that other checkers do not know means to them.
fn format(format: &Value, schema: &Map<String, Value>) -> Option<(&'static str, Value)> {
    match format.as_str()? {
        "confab-address" => Some(("pattern", ADDRESS.into())),
        // These come with patterns of their own.
        "confab-duration" | "confab-bytes" => None,
        // schemars states the bounds of the smaller types only.
        "uint32" if !schema.contains_key("maximum") => Some(("maximum", u32::MAX.into())),
        "int32" if !schema.contains_key("maximum") => Some(("maximum", i32::MAX.into())),
        _ if schema.get("type").is_some_and(|kind| kind == "integer" || kind == "number") => None,
        _ => Some(("format", format.clone())),
    }
}

/// One alternative is none; words are an enumeration.
fn simplify(mut schema: Map<String, Value>) -> Map<String, Value> {
    for key in ["anyOf", "oneOf"] {
        let Some(Value::Array(alternatives)) = schema.get(key) else { continue };
        let place = schema.keys().position(|one| one == key);
        if let ([Value::Object(one)], Some(place)) = (alternatives.as_slice(), place) {
            let one = one.clone();
            schema.remove(key);
            for (at, (key, value)) in one.into_iter().enumerate() {
                if !schema.contains_key(&key) {
                    schema.shift_insert(place + at, key, value);
                }
            }
        } else if let (Some((words, helps)), Some(place)) = (words(alternatives), place) {
            schema.remove(key);
            schema.shift_insert(place, "type".into(), "string".into());
            schema.shift_insert(place + 1, "enum".into(), words);
            if let Some(helps) = helps {
                schema.insert("x-taplo".into(), json!({ "docs": { "enumValues": helps } }));
            }
        }
    }
    schema
}

/// The words that the alternatives are, and what each means.
fn words(alternatives: &[Value]) -> Option<(Value, Option<Value>)> {
    let (mut words, mut helps) = (Vec::new(), Vec::new());
    for one in alternatives {
        let help = one.get("description").cloned().unwrap_or_default();
        let list = match (one.get("const"), one.get("enum").and_then(Value::as_array)) {
            (Some(word), _) => std::slice::from_ref(word),
            (None, Some(list)) => list,
            (None, None) => return None,
        };
        for word in list {
            if !word.is_string() {
                return None;
            }
            words.push(word.clone());
            helps.push(help.clone());
        }
    }
    let helps = helps.iter().any(|help| !help.is_null()).then_some(Value::Array(helps));
    (!words.is_empty()).then_some((Value::Array(words), helps))
}
