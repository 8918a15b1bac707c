//! The layers that variables of the environment give.

use std::ffi::OsStr;

use serde_json::Value;

use super::{
    environment::Environment,
    error::{ConfigError, Place},
    layers::{Giver, Layer},
    schema::{CONFIG, quoted, unwrap_option},
    suggest,
    tables::TABLES,
};

/// The variables with names of their own: table and key that they give.
const NAMED: [(&str, &str, &str); 9] = [
    ("SECRET_KEY", "auth", "secret_key"),
    ("SECRET_KEY_FILE", "auth", "secret_key_file"),
    ("ALGORITHM", "auth", "algorithm"),
    ("MONGO_URI", "store.mongo", "uri"),
    ("MONGO_URI_FILE", "store.mongo", "uri_file"),
    ("MONGO_DB", "store.mongo", "database"),
    ("REDIS_URL", "bus.redis", "url"),
    ("REDIS_URL_FILE", "bus.redis", "url_file"),
    ("RUST_LOG", "log", "level"),
];

/// Of these, an empty one is as good as none.
const EMPTY_IS_NONE: [&str; 6] =
    ["MONGO_URI", "MONGO_URI_FILE", "MONGO_DB", "REDIS_URL", "REDIS_URL_FILE", "RUST_LOG"];

/// All variables for keys begin with this.
const PREFIX: &str = "CONFAB_";

/// The variable that names the configuration file.
pub(super) const CONFIG_FILE: &str = "CONFAB_CONFIG";

/// The layers of the variables with names of their own.
pub(super) fn named(
    environment: &Environment,
    rank: usize,
    errors: &mut Vec<ConfigError>,
) -> Vec<Layer> {
    let mut layers = Vec::new();
    for (name, table, key) in NAMED {
        let Some(value) = environment.get(name) else {
            continue;
        };
        // The filter's own library takes an empty RUST_LOG for none, and so must we. Compose files
        // that pass on a variable that is not set give an empty one.
        if value.is_empty() && EMPTY_IS_NONE.contains(&name) {
            continue;
        }
        match text(name, value) {
            Ok(text) => {
                let giver = Giver::Variable(name.to_owned());
                layers.push(Layer::of_key(giver, rank, table, key, text.into()));
            }
            Err(error) => errors.push(error),
        }
    }
    layers
}

/// The layers of the variables `CONFAB_SECTION__KEY`.
pub(super) fn prefixed(
    environment: &Environment,
    rank: usize,
    errors: &mut Vec<ConfigError>,
) -> Vec<Layer> {
    let known = known();
    let mut layers = Vec::new();
    for (name, value) in environment.starting_with(PREFIX) {
        if name == CONFIG_FILE || is_service_link(name, value) {
            continue;
        }
        let Some(variable) = known.iter().find(|variable| variable.name == name) else {
            errors.push(unknown(name, &known));
            continue;
        };
        match text(name, value) {
            Ok(text) => {
                let giver = Giver::Variable(name.to_owned());
                let value = typed(variable.schema, text);
                layers.push(Layer::of_key(giver, rank, variable.table, variable.key, value));
            }
            Err(error) => errors.push(error),
        }
    }
    layers
}

/// A variable that gives a key.
struct Variable {
    name: String,
    table: &'static str,
    key: &'static str,
    schema: &'static Value,
}

fn known() -> Vec<Variable> {
    let mut known = Vec::new();
    for table in TABLES.iter() {
        for (key, schema) in &table.keys {
            known.push(Variable {
                name: variable_of(&table.name, key),
                table: &table.name,
                key,
                schema: unwrap_option(&CONFIG, schema),
            });
        }
    }
    known
}

/// The variables that give a key: those with names of their own, then `CONFAB_TABLE__KEY`. The
/// chain is given in a file only.
pub(super) fn of(table: &str, key: &str) -> Vec<String> {
    if table == "plugins" {
        return Vec::new();
    }
    let named = NAMED.iter().filter(|one| one.1 == table && one.2 == key);
    named.map(|one| one.0.to_owned()).chain([variable_of(table, key)]).collect()
}

/// `CONFAB_TABLE__KEY`
fn variable_of(table: &str, key: &str) -> String {
    format!("{PREFIX}{}__{key}", table.replace('.', "__")).to_ascii_uppercase()
}

fn unknown(name: &str, known: &[Variable]) -> ConfigError {
    let place = Place::Variable(name.to_owned());
    if name.starts_with("CONFAB_PLUGINS") {
        let message = format!("unknown variable {name}");
        return ConfigError::new(message, place).help("the chain is given in a file only");
    }
    let names = known.iter().map(|variable| variable.name.as_str());
    let hint = suggest::did_you_mean(name, names.chain([CONFIG_FILE]));
    let error = ConfigError::new(format!("unknown variable {}{hint}", quoted(name)), place);
    if hint.is_empty() {
        error.help("a variable for a key is CONFAB_SECTION__KEY, such as CONFAB_SERVER__LISTEN")
    } else {
        error
    }
}

/// What Kubernetes sets in every container for a service that is called `confab` or
/// `confab-something`. Not meant for us, and no reason not to start.
fn is_service_link(name: &str, value: &OsStr) -> bool {
    let protocols = ["_TCP", "_UDP", "_SCTP"];
    let is_url = value.to_str().is_some_and(|value| value.contains("://"));
    !name.contains("__")
        && (name.ends_with("_SERVICE_HOST")
            || name.ends_with("_SERVICE_PORT")
            || name.contains("_SERVICE_PORT_")
            || name.ends_with("_PORT") && is_url
            || name.contains("_PORT_") && protocols.iter().any(|one| name.contains(one)))
}

/// The value of a variable as the type of its key needs it. What does not fit stays text, and
/// the check says so.
fn typed(schema: &Value, text: String) -> Value {
    let name = match schema.get("type") {
        Some(Value::Array(names)) => names.first().and_then(Value::as_str),
        Some(name) => name.as_str(),
        None => None,
    };
    let parsed = match name {
        Some("boolean") => text.parse().ok().map(Value::Bool),
        Some("integer") => text.parse::<i64>().ok().map(Value::from),
        Some("array") => list(&text),
        _ => None,
    };
    parsed.unwrap_or(Value::String(text))
}

/// `["a", "b"]` or `a, b`.
fn list(text: &str) -> Option<Value> {
    if text.trim_start().starts_with('[') {
        let document: toml::Table = toml::from_str(&format!("list = {text}")).ok()?;
        return serde_json::to_value(document.get("list")?).ok();
    }
    let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
    Some(items.map(Value::from).collect())
}

fn text(name: &str, value: &OsStr) -> Result<String, ConfigError> {
    let place = || Place::Variable(name.to_owned());
    match value.to_str() {
        Some(text) => Ok(text.to_owned()),
        None => Err(ConfigError::new("the value is not UTF-8", place())),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_key_has_a_variable_and_every_named_one_a_key() {
        let known = known();
        let has = |name: &str| known.iter().any(|variable| variable.name == name);
        assert!(has("CONFAB_SERVER__LISTEN") && has("CONFAB_LIMITS__FRAME_RATE"));
        let hidden = |name: &str| is_service_link(name, OsStr::new("tcp://x"));
        assert!(!known.iter().any(|variable| hidden(&variable.name)));
        assert!(has("CONFAB_BUS__REDIS__URL") && has("CONFAB_STORE__MONGO__URI"));
        for (_, table, key) in NAMED {
            assert!(has(&variable_of(table, key)));
        }
    }

    #[test]
    fn values_become_what_their_key_needs() {
        let schema = |kind: &str| json!({ "type": kind });
        let typed = |kind: &str, text: &str| typed(&schema(kind), text.to_owned());
        assert_eq!(typed("boolean", "true"), json!(true));
        assert_eq!(typed("boolean", "yes"), json!("yes"));
        assert_eq!(typed("integer", "5"), json!(5));
        assert_eq!(typed("integer", "5MB"), json!("5MB"));
        assert_eq!(typed("string", "5"), json!("5"));
        assert_eq!(typed("array", "a, b,"), json!(["a", "b"]));
        assert_eq!(typed("array", ""), json!([]));
        assert_eq!(typed("array", "['a', \"b\"]"), json!(["a", "b"]));
        assert_eq!(typed("array", "[1"), json!("[1"));
    }

    #[test]
    fn what_kubernetes_sets_is_not_ours() {
        let is_service_link = |name, value: &str| is_service_link(name, OsStr::new(value));
        for (name, value) in [
            ("CONFAB_SERVICE_HOST", "10.0.0.1"),
            ("CONFAB_SERVICE_PORT", "8080"),
            ("CONFAB_SERVICE_PORT_HTTP", "8080"),
            ("CONFAB_PORT", "tcp://10.0.0.1:8080"),
            ("CONFAB_PORT_8080_TCP", "tcp://10.0.0.1:8080"),
            ("CONFAB_PORT_8080_TCP_ADDR", "10.0.0.1"),
            ("CONFAB_REDIS_SERVICE_HOST", "10.0.0.1"),
            ("CONFAB_REDIS_PORT_6379_TCP_PROTO", "tcp"),
        ] {
            assert!(is_service_link(name, value), "{name}");
        }
        for (name, value) in [
            ("CONFAB_PORT", "8080"),
            ("CONFAB_SERVER_LISTEN", "tcp://10.0.0.1:8080"),
            ("CONFAB_STORE__PORT", "tcp://10.0.0.1:8080"),
        ] {
            assert!(!is_service_link(name, value), "{name}");
        }
    }
}
