//! What differs between two configurations, and what of it takes effect without a restart.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    effective::{REDACTED, redact},
    secret::Secret,
    sections::{Auth, Config},
    sensitive::is_sensitive,
};

/// The keys and tables that a reload changes in the running daemon. Everything else, also a key
/// that nobody has thought of, waits for a restart.
const LIVE: [&str; 10] = [
    "auth.previous_public_key_files",
    "auth.previous_secret_key_files",
    "auth.private_key_file",
    "auth.public_key_file",
    "auth.secret_key",
    "auth.secret_key_file",
    "log.level",
    "plugins",
    "server.allowed_origins",
    "server.trusted_proxies",
];

/// The keys whose values are secrets, and are not in the serialized configuration.
const SECRETS: [(&str, Get); 3] = [
    ("auth.secret_key", |config| config.auth.secret_key.as_ref()),
    ("bus.redis.url", |config| config.bus.redis.url.as_ref()),
    ("store.mongo.uri", |config| config.store.mongo.uri.as_ref()),
];

type Get = fn(&Config) -> Option<&Secret>;

/// Longer values are cut, in characters: the change of a word list need not be told word by word.
const MAX_VALUE: usize = 120;

/// One key whose value differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `server.listen`; `plugins` for the names of the entries in their order, and
    /// `plugins[NAME].timeout` for a key of the entry of this name.
    pub key: String,
    /// The value of before, as TOML; secrets are not shown.
    pub old: String,
    /// The new value, as TOML; secrets are not shown.
    pub new: String,
    /// Whether it takes effect without a restart.
    pub live: bool,
}

/// The keys whose values differ, by name.
pub fn changes(old: &Config, new: &Config) -> Vec<Change> {
    let (before, after) = (Keys::of(old), Keys::of(new));
    let mut changes = Vec::new();
    for (key, new) in &after.0 {
        match before.0.get(key) {
            Some(old) if old != new => changes.push(change(key, old, new)),
            None if !before.lacks_entry_of(key) => {
                changes.push(change(key, &Value::Null, new));
            }
            _ => {}
        }
    }
    for (key, old) in &before.0 {
        if !after.0.contains_key(key) && !after.lacks_entry_of(key) {
            changes.push(change(key, old, &Value::Null));
        }
    }
    for (key, secret) in SECRETS {
        if secret(old) != secret(new) && changes.iter().all(|change| change.key != key) {
            changes.push(change(key, &REDACTED.into(), &REDACTED.into()));
        }
    }
    let previous = "auth.previous_secret_key_files";
    if old.auth.previous_secret_keys != new.auth.previous_secret_keys
        && changes.iter().all(|change| change.key != previous)
    {
        changes.push(change(previous, &REDACTED.into(), &REDACTED.into()));
    }
    // Keys of another algorithm wait with it.
    if old.auth.algorithm != new.auth.algorithm {
        let keys = changes.iter_mut().filter(|change| change.key.starts_with("auth."));
        keys.for_each(|change| change.live = false);
    }
    changes.sort_by(|a, b| a.key.cmp(&b.key));
    changes
}

impl Config {
    /// Takes over from `new` what takes effect without a restart.
    pub fn take_live(&mut self, new: &Self) {
        self.log.level.clone_from(&new.log.level);
        self.plugins.clone_from(&new.plugins);
        self.server.allowed_origins.clone_from(&new.server.allowed_origins);
        self.server.trusted_proxies.clone_from(&new.server.trusted_proxies);
        if self.auth.algorithm == new.auth.algorithm {
            self.auth.take_keys(&new.auth);
        }
    }
}

impl Auth {
    fn take_keys(&mut self, new: &Self) {
        self.secret_key.clone_from(&new.secret_key);
        self.secret_key_file.clone_from(&new.secret_key_file);
        self.previous_secret_key_files.clone_from(&new.previous_secret_key_files);
        self.previous_secret_keys.clone_from(&new.previous_secret_keys);
        self.private_key_file.clone_from(&new.private_key_file);
        self.public_key_file.clone_from(&new.public_key_file);
        self.previous_public_key_files.clone_from(&new.previous_public_key_files);
    }
}

/// The leaves of a configuration by name.
struct Keys(BTreeMap<String, Value>);

impl Keys {
    fn of(config: &Config) -> Self {
        let mut tree = match serde_json::to_value(config) {
            Ok(Value::Object(tree)) => tree,
            _ => Map::new(),
        };
        let mut keys = Self(BTreeMap::new());
        let entries = tree.remove("plugins").unwrap_or_default();
        let labels = config.plugins.iter().map(super::entry::PluginEntry::label);
        keys.0.insert("plugins".to_owned(), labels.clone().collect());
        for (label, entry) in labels.zip(entries.as_array().into_iter().flatten()) {
            keys.add(&format!("plugins[{label}]"), entry);
        }
        for (name, table) in &tree {
            keys.add(name, table);
        }
        keys
    }

    fn add(&mut self, name: &str, value: &Value) {
        match value {
            Value::Object(table) if !table.is_empty() => {
                for (key, value) in table {
                    self.add(&format!("{name}.{key}"), value);
                }
            }
            leaf => {
                self.0.insert(name.to_owned(), leaf.clone());
            }
        }
    }

    /// Whether a key belongs to an entry that is not here at all: the list of entries tells that.
    fn lacks_entry_of(&self, key: &str) -> bool {
        let Some((label, _)) = key.strip_prefix("plugins[").and_then(|rest| rest.split_once(']'))
        else {
            return false;
        };
        let entries = self.0.get("plugins").and_then(Value::as_array);
        !entries.into_iter().flatten().any(|entry| entry == label)
    }
}

fn change(key: &str, old: &Value, new: &Value) -> Change {
    let live = LIVE.iter().any(|live| {
        let rest = key.strip_prefix(live);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
    });
    let path = key.split_once(']').map_or(key, |(_entry, path)| path);
    // The name of a secret, wherever it stands, else that of the value.
    let name = path.split('.').find(|name| is_sensitive(name)).or(path.rsplit('.').next());
    let name = name.unwrap_or_default();
    let (old, new) = (show(&redact(name, old)), show(&redact(name, new)));
    Change { key: key.to_owned(), old, new, live }
}

fn show(value: &Value) -> String {
    if value.is_null() {
        return "not set".to_owned();
    }
    let text = toml::Value::try_from(value).map_or_else(|_| value.to_string(), |v| v.to_string());
    if text.chars().count() <= MAX_VALUE {
        return text;
    }
    text.chars().take(MAX_VALUE).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        Algorithm, PluginEntry,
        schema::{CONFIG, unwrap_option},
        tables::TABLES,
    };

    fn told(old: &Config, new: &Config) -> Vec<String> {
        let told = |c: &Change| format!("{} {} -> {} {}", c.key, c.old, c.new, c.live);
        changes(old, new).iter().map(told).collect()
    }

    #[test]
    fn nothing_differs_from_itself() {
        assert_eq!(changes(&Config::default(), &Config::default()), []);
    }

    #[test]
    fn each_key_is_told_with_both_values() {
        let old = Config::default();
        let mut new = old.clone();
        new.server.listen = ([0, 0, 0, 0], 80).into();
        new.auth.secret_key_file = Some("/etc/key".into());
        new.bus.redis.batch = 9;
        new.log.level = "debug".to_owned();
        assert_eq!(
            told(&old, &new),
            [
                "auth.secret_key_file not set -> \"/etc/key\" true",
                "bus.redis.batch 512 -> 9 false",
                "log.level \"info\" -> \"debug\" true",
                "server.listen \"127.0.0.1:8080\" -> \"0.0.0.0:80\" false",
            ]
        );
    }

    #[test]
    fn entries_are_told_by_name() {
        let old = Config::default();
        let mut new = old.clone();
        let mut filter = PluginEntry::of("filter");
        filter.options.insert("deny".to_owned(), vec!["x".repeat(500)].into());
        new.plugins.insert(0, filter.clone());
        new.plugins[2].percent = 5;
        let said = told(&old, &new);
        assert_eq!(
            said[0],
            "plugins [\"metrics\", \"log\"] -> [\"filter\", \"metrics\", \"log\"] true"
        );
        assert_eq!(said[1..], ["plugins[log].percent 100 -> 5 true"]);
        assert_eq!(told(&new, &old).len(), 2, "the other way round too");

        let mut other = new.clone();
        other.plugins[0].options.insert("deny".to_owned(), vec!["y"].into());
        other.plugins[0].options.insert("api_token".to_owned(), "hunter2".into());
        let said = told(&new, &other);
        assert_eq!(said[0], "plugins[filter].options.api_token not set -> \"[redacted]\" true");
        assert!(said[1].starts_with("plugins[filter].options.deny [\"xxx"), "{said:?}");
        assert!(said[1].len() < 200 && said[1].ends_with("… -> [\"y\"] true"), "{said:?}");
        new.plugins.swap(0, 1);
        assert_eq!(said.len(), 2);
        assert_eq!(
            told(&old, &{
                let mut c = old.clone();
                c.plugins.swap(0, 1);
                c
            })
            .len(),
            1
        );
    }

    #[test]
    fn a_changed_secret_is_told_and_not_shown() {
        let mut old = Config::default();
        old.auth.secret_key = Some(Secret::from("hunter2".to_owned()));
        let mut new = old.clone();
        new.auth.secret_key = Some(Secret::from("hunter3".to_owned()));
        let said = told(&old, &new);
        assert_eq!(said, ["auth.secret_key \"[redacted]\" -> \"[redacted]\" true"]);
        let said = told(&Config::default(), &new);
        assert_eq!(said, ["auth.secret_key not set -> \"[redacted]\" true"]);
    }

    #[test]
    fn what_stands_below_the_name_of_a_secret_is_one() {
        let old = Config::default();
        let mut new = old.clone();
        let options = serde_json::json!({
            "tokens": { "alice": "hunter2", "all": [{ "of": "hunter3" }] },
            "secret.v1": "hunter4",
            "endpoint": "https://user:hunter5@example.org/",
            "rules": [{ "password": { "text": "hunter6" } }],
        });
        new.plugins[0].options = options.as_object().cloned().unwrap();
        let said = told(&old, &new);
        assert_eq!(said.len(), 6, "{said:?}");
        assert!(!format!("{said:?}").contains("hunter"), "{said:?}");
    }

    #[test]
    fn every_secret_is_compared() {
        let secret = |schema: &Value| unwrap_option(&CONFIG, schema).get("writeOnly").is_some();
        let mut names: Vec<String> = Vec::new();
        for table in TABLES.iter() {
            let secrets = table.keys.iter().filter(|(_, schema)| secret(schema));
            names.extend(secrets.map(|(key, _)| format!("{}.{key}", table.name)));
        }
        names.sort();
        assert_eq!(names, SECRETS.map(|(name, _)| name));
    }

    #[test]
    fn what_is_live_is_taken_over_and_nothing_else() {
        let mut new = Config::default();
        new.log.level = "debug".to_owned();
        new.log.queue = 999;
        new.plugins.clear();
        new.server.allowed_origins = vec!["https://a.example".to_owned()];
        new.server.trusted_proxies = vec!["10.0.0.1".to_owned()];
        new.server.web = false;
        new.auth.secret_key = Some(Secret::from("hunter2".to_owned()));
        new.auth.secret_key_file = Some("a".into());
        new.auth.previous_secret_key_files = vec!["b".into()];
        new.auth.previous_secret_keys = vec![Secret::from("hunter3".to_owned())];
        new.auth.private_key_file = Some("c".into());
        new.auth.public_key_file = Some("d".into());
        new.auth.previous_public_key_files = vec!["e".into()];
        let all = changes(&Config::default(), &new);
        for live in LIVE {
            assert!(all.iter().any(|change| change.key == live && change.live), "{live}");
        }
        let mut running = Config::default();
        running.take_live(&new);
        let left = changes(&running, &new);
        assert!(left.iter().all(|change| !change.live), "{left:?}");
        assert_eq!(left.len(), 2);
    }

    #[test]
    fn the_content_of_a_previous_key_is_told_and_keys_of_another_algorithm_wait() {
        let mut old = Config::default();
        old.auth.previous_secret_key_files = vec!["k".into()];
        let mut new = old.clone();
        new.auth.previous_secret_keys = vec![Secret::from("hunter2".to_owned())];
        let told_of = "auth.previous_secret_key_files \"[redacted]\" -> \"[redacted]\" true";
        assert_eq!(told(&old, &new), [told_of]);
        new.auth.algorithm = Algorithm::HS512;
        assert!(changes(&old, &new).iter().all(|change| !change.live));
        let mut running = old.clone();
        running.take_live(&new);
        assert_eq!(running, old);
    }
}
