//! A short hash of the configuration, by which operators see that nodes differ.

use std::fmt;

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::{effective::redact, sections::Config};

/// What rightly differs between nodes: where a node listens, where it keeps its data, and where
/// its secrets stand.
const OF_THE_NODE: [&str; 7] = [
    "/server/listen",
    "/server/admin_listen",
    "/store/path",
    "/auth/secret_key_file",
    "/auth/previous_secret_key_files",
    "/store/mongo/uri_file",
    "/bus/redis/url_file",
];

/// The first 48 bits of a SHA-256 over a canonical form of a configuration, without secrets (only
/// whether they are given) and without what rightly differs between nodes.
///
/// It compares daemons of one version: another version may have other keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fingerprint(u64);

impl Fingerprint {
    /// Of an effective configuration.
    pub fn of(config: &Config) -> Self {
        let mut tree = serde_json::to_value(config).unwrap_or_default();
        for pointer in OF_THE_NODE {
            if let Some(value) = tree.pointer_mut(pointer) {
                *value = Value::Null;
            }
        }
        let entries = tree.get_mut("plugins").and_then(Value::as_array_mut);
        for (entry, config) in entries.into_iter().flatten().zip(&config.plugins) {
            if let Some(entry) = entry.as_object_mut() {
                // An entry that is named as its plugin is the one that is not named.
                entry.insert("name".to_owned(), config.label().into());
            }
        }
        let text = sorted(redact("", &tree)).to_string();
        let [a, b, c, d, e, f, ..] = <[u8; 32]>::from(Sha256::digest(text));
        Self(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
    }

    /// As a number below 2^48, which a metric's value holds exactly.
    pub fn number(self) -> u64 {
        self.0
    }
}

/// 12 hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:012x}", self.0)
    }
}

/// The same value with the keys of every table in order.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(table) => {
            let mut keys: Vec<_> = table.into_iter().collect();
            keys.sort_by(|(a, _), (b, _)| a.cmp(b));
            let keys = keys.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(Map::from_iter(keys))
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{PluginEntry, Secret};

    fn with(change: impl FnOnce(&mut Config)) -> Fingerprint {
        let mut config = Config::default();
        change(&mut config);
        Fingerprint::of(&config)
    }

    fn entry(options: [(&str, i32); 2]) -> PluginEntry {
        let mut entry = PluginEntry::of("filter");
        entry.options =
            options.map(|(key, value)| (key.to_owned(), value.into())).into_iter().collect();
        entry
    }

    #[test]
    fn nodes_that_differ_as_nodes_do_have_the_same() {
        let one = with(|_| {});
        assert_eq!(one.to_string().len(), 12);
        assert!(one.number() < 1 << 48);
        assert_eq!(one, with(|config| config.server.listen = ([10, 0, 0, 1], 80).into()));
        assert_eq!(one, with(|config| config.server.admin_listen = ([10, 0, 0, 1], 81).into()));
        assert_eq!(one, with(|config| config.store.path = "/srv".into()));
        assert_eq!(one, with(|config| config.auth.secret_key_file = Some("/key".into())));
        assert_eq!(one, with(|config| config.plugins[0].name = Some("metrics".to_owned())));
        let ordered = |options| with(|config| config.plugins.push(entry(options)));
        assert_eq!(ordered([("a", 1), ("b", 2)]), ordered([("b", 2), ("a", 1)]));
    }

    #[test]
    fn what_should_be_the_same_is_seen() {
        let mut all = vec![
            with(|_| {}),
            with(|config| config.limits.page = 5),
            with(|config| config.log.level = "debug".to_owned()),
            with(|config| config.plugins.swap(0, 1)),
            with(|config| config.plugins[0].percent = 5),
            with(|config| config.plugins.push(entry([("a", 1), ("b", 2)]))),
            with(|config| config.plugins.push(entry([("a", 2), ("b", 2)]))),
            with(|config| config.store.mongo.uri = Some(Secret::from("a".to_owned()))),
        ];
        all.sort_by_key(|hash| hash.number());
        all.dedup();
        assert_eq!(all.len(), 8);
    }

    #[test]
    fn secrets_do_not_count() {
        let key = |key: &str| {
            with(|config| {
                config.auth.secret_key = Some(Secret::from(key.to_owned()));
                config.plugins[0].options.insert("api_token".to_owned(), key.into());
            })
        };
        assert_eq!(key("one"), key("two"));
    }

    #[test]
    fn what_belongs_to_the_node_is_there() {
        let tree = serde_json::to_value(Config::default()).unwrap();
        for pointer in OF_THE_NODE {
            assert!(tree.pointer(pointer).is_some(), "{pointer}");
        }
    }
}
