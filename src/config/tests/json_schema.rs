//! The JSON Schema of a file with plugins, of those that exist in tests only.

use confab_plugin::{Definition, EventKind, Manifest, Plugin, Problem};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use super::support::{Filter, Setup, manifests};
use crate::config::json_schema::{config, options};

/// A rule in a rule.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only their shape matters")]
struct Tree {
    /// The rule that must hold as well.
    and: Option<Box<Tree>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only their shape matters")]
struct Nested {
    /// The first rule.
    rule: Tree,
}

struct Trees;

impl Plugin for Trees {}

impl Definition for Trees {
    const NAME: &'static str = "trees";
    const SUMMARY: &'static str = "";
    const MANUAL: &'static str = "";
    const ON: &'static [EventKind] = &EventKind::ALL;
    type Options = Nested;
    fn new(_: &str, _: Nested) -> Result<Self, Vec<Problem>> {
        Ok(Trees)
    }
}

/// The keywords of draft 07 that are not, and what only the daemon understands.
fn foreign(schema: &Value, found: &mut Vec<String>) {
    for (key, value) in schema.as_object().into_iter().flatten() {
        if ["$defs", "prefixItems", "unevaluatedProperties"].contains(&key.as_str())
            || key == "format"
            || key == "default" && value.is_null()
            || key == "type" && !value.is_string()
        {
            found.push(format!("{key}: {value}"));
        }
        match value {
            Value::Object(keys) if key == "properties" => {
                keys.values().for_each(|schema| foreign(schema, found));
            }
            Value::Array(items) => items.iter().for_each(|item| foreign(item, found)),
            other => foreign(other, found),
        }
    }
}

#[test]
fn it_is_draft_07_for_everybody() {
    let mut found = Vec::new();
    let schema = config(&manifests());
    foreign(&schema, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
}

#[test]
fn every_table_is_closed_and_every_key_has_help() {
    fn look(name: &str, schema: &Value, keys: &mut usize) {
        assert!(schema["description"].is_string(), "{name} has no help");
        *keys += 1;
        if let Some(properties) = schema["properties"].as_object() {
            assert_eq!(schema["additionalProperties"], false, "{name}");
            for (key, schema) in properties {
                look(&format!("{name}.{key}"), schema, keys);
            }
        }
    }
    let schema = config(&manifests());
    assert_eq!(schema["additionalProperties"], false);
    let mut keys = 0;
    for (section, schema) in schema["properties"].as_object().unwrap() {
        look(section, schema, &mut keys);
    }
    look("plugins", &schema["properties"]["plugins"]["items"]["allOf"][0], &mut keys);
    look("filter", &schema["definitions"]["filter"], &mut keys);
    assert!(keys > 90, "{keys}");
}

#[test]
fn bounds_words_and_defaults_are_in_it() {
    let schema = config(&manifests());
    let page = &schema["properties"]["limits"]["properties"]["page"];
    assert_eq!(
        (&page["minimum"], &page["maximum"], &page["default"]),
        (&json!(1), &json!(1000), &json!(100))
    );
    let redis = &schema["properties"]["bus"]["properties"]["redis"]["properties"];
    assert_eq!(redis["max_backoff"]["default"], "5s");
    assert_eq!(redis["url"].get("default"), None);
    assert_eq!(redis["url"]["type"], "string");
    let format = &schema["properties"]["log"]["properties"]["format"];
    assert_eq!(format["enum"], json!(["text", "json", "journald", "auto"]));
    assert_eq!(format["x-taplo"]["docs"]["enumValues"][1], "A JSON object for machines.");
    assert_eq!(format["default"], "text");
}

#[test]
fn the_plugin_decides_which_options_there_are() {
    let schema = config(&manifests());
    let entry = schema["properties"]["plugins"]["items"]["allOf"].as_array().unwrap();
    assert_eq!(entry[0]["properties"]["use"]["enum"], json!(["filter", "log", "metrics"]));
    assert_eq!(entry[0]["required"], json!(["use"]));
    assert_eq!(
        entry[1],
        json!({
            "if": { "properties": { "use": { "const": "filter" } }, "required": ["use"] },
            "then": { "properties": { "options": { "$ref": "#/definitions/filter" } } },
        })
    );
    assert_eq!(entry.len(), 4);
    // A table with a word that picks it stays one of several.
    let part = &schema["definitions"]["filter"]["properties"]["part"]["oneOf"];
    assert_eq!(part[0]["properties"]["type"]["const"], "head");
    // Options that must be given make the table necessary.
    let schema = config(&[Manifest::of::<Trees>()]);
    let then = &schema["properties"]["plugins"]["items"]["allOf"][1]["then"];
    assert_eq!(then["required"], json!(["options"]));
    assert_eq!(schema["properties"]["plugins"]["default"], json!([]));
    // Without a plugin there is no entry.
    assert_eq!(config(&[])["properties"]["plugins"]["maxItems"], 0);
}

#[test]
fn options_that_hold_themselves_are_definitions() {
    let trees = Manifest::of::<Trees>();
    let tree = json!({ "$ref": "#/definitions/trees.Tree" });
    for schema in [options(&trees), config(&[trees])] {
        let definition = &schema["definitions"]["trees.Tree"];
        assert_eq!(definition["properties"]["and"]["$ref"], tree["$ref"]);
        assert_eq!(definition["additionalProperties"], false);
    }
    assert_eq!(options(&trees)["properties"]["rule"]["description"], "The first rule.");
}

#[test]
fn a_daemon_without_a_plugin_does_not_know_it() {
    let filter = [Manifest::of::<Filter>()];
    let load = |setup: &Setup| crate::config::load(&setup.environment(), &setup.flags, &filter);
    // The default chain is what there is of it.
    assert_eq!(load(&Setup::empty()).unwrap().config.plugins, []);
    assert_eq!(load(&Setup::file("[limits]\npage = 5")).unwrap().config.plugins, []);
    let errors = load(&Setup::file("[[plugins]]\nuse = \"log\"")).unwrap_err().to_string();
    assert!(errors.contains("unknown plugin \"log\"\n"), "{errors}");
    assert!(errors.contains("compiled in are filter\n"), "{errors}");
    assert_eq!(
        load(&Setup::file("[[plugins]]\nuse = \"filter\"")).unwrap().config.plugins.len(),
        1
    );
}
