//! The bounds of single keys: those that the help of each key states.

use confab_plugin::{ByteSize, Duration};
use serde_json::{Map, Value};

use super::{
    acme, document::Finding, log_level, network::Network, previous_keys, schema::quoted, tables,
    telemetry, web_origin,
};
use crate::store::mongo::check_database;

const ACME: &str = "server.tls.acme";

/// Table, key, least, most. A key whose other bound is another key has it in `rules`.
pub(super) const BOUNDS: [(&str, &str, &str, &str); 84] = [
    ("server", "worker_threads", "0", "1024"),
    ("server", "drain_grace", "0s", "1h"),
    ("server", "reload_timeout", "1s", "5m"),
    ("server.tls", "check_interval", "1s", "24h"),
    ("server.tls.acme", "timeout", "1s", "1h"),
    ("server.tls.acme", "renew_percent", "5", "90"),
    ("server.tls.acme", "backoff", "100ms", "24h"),
    ("server.tls.acme", "max_backoff", "100ms", "24h"),
    ("auth", "token_lifetime", "1m", "365days"),
    ("auth", "max_token_lifetime", "1m", "365days"),
    ("auth", "refresh_lifetime", "0s", "365days"),
    ("auth", "refresh_grace", "0s", "5m"),
    ("auth", "logins_per_user", "1", "10000"),
    ("auth", "leeway", "0s", "5m"),
    ("auth", "account_poll", "10ms", "1m"),
    ("auth", "min_password_length", "1", "64"),
    ("auth", "argon2_memory", "8MiB", "1GiB"),
    ("auth", "argon2_iterations", "1", "100"),
    ("auth", "argon2_parallelism", "1", "16"),
    ("auth", "hash_concurrency", "0", "1024"),
    ("auth", "hash_queue", "0", "100000"),
    ("limits", "connections", "1", "10000000"),
    ("limits", "connections_per_address", "1", "10000000"),
    ("limits", "sessions_per_user", "1", "10000"),
    ("limits", "request_timeout", "1s", "5m"),
    ("limits", "tls_handshakes", "1", "10000"),
    ("limits", "keep_alive", "1s", "1h"),
    ("limits", "receive_buffer", "4KiB", "64MiB"),
    ("limits", "send_buffer", "4KiB", "64MiB"),
    ("limits", "body", "1KiB", "16MiB"),
    ("limits", "frame", "1KiB", "16MiB"),
    ("limits", "content", "1B", "16MiB"),
    ("limits", "in_flight", "1", "65536"),
    ("limits", "outbox_frames", "16", "1000000"),
    ("limits", "outbox", "16KiB", "1GiB"),
    ("limits", "outboxes", "1MiB", "64GiB"),
    ("limits", "write_timeout", "1s", "10m"),
    ("limits", "backlog_timeout", "1s", "1h"),
    ("limits", "ping_interval", "1s", "10m"),
    ("limits", "idle_timeout", "1s", "1h"),
    ("limits", "typing_interval", "0s", "10s"),
    ("limits", "frame_rate", "0", "1000000"),
    ("limits", "frame_burst", "1", "1000000"),
    ("limits", "refused_frames", "1", "1000000"),
    ("limits", "auth_rate", "0", "1000000"),
    ("limits", "auth_burst", "1", "1000000"),
    ("limits", "connect_rate", "0", "1000000"),
    ("limits", "connect_burst", "1", "1000000"),
    ("limits", "store_queue", "1", "10000000"),
    ("limits", "store_queue_bytes", "1MiB", "64GiB"),
    ("limits", "page", "1", "1000"),
    ("limits", "sync_messages", "1", "10000"),
    ("limits", "sync", "1KiB", "16MiB"),
    ("limits", "unread", "1", "1000000"),
    ("limits", "account_cache", "16", "10000000"),
    ("store", "readers", "1", "64"),
    ("store", "batch", "1", "100000"),
    ("store", "timeout", "100ms", "5m"),
    ("store.mongo", "connect_timeout", "100ms", "1m"),
    ("store.mongo", "server_selection_timeout", "100ms", "1m"),
    ("store.mongo", "operation_timeout", "100ms", "1m"),
    ("store.mongo", "pool_size", "1", "10000"),
    ("store.mongo", "lanes", "1", "1024"),
    ("bus.redis", "pool_size", "1", "64"),
    ("bus.redis", "connect_timeout", "100ms", "1m"),
    ("bus.redis", "response_timeout", "100ms", "1m"),
    ("bus.redis", "queue", "1", "10000000"),
    ("bus.redis", "queue_bytes", "1MiB", "16GiB"),
    ("bus.redis", "batch", "1", "10000"),
    ("bus.redis", "max_backoff", "100ms", "1m"),
    ("log", "queue", "128", "1000000"),
    ("telemetry.otlp", "one_in", "1", "1000000"),
    ("telemetry.otlp", "queue", "16", "1000000"),
    ("telemetry.otlp", "timeout", "100ms", "1m"),
    ("plugins", "percent", "1", "100"),
    ("plugins", "timeout", "1ms", "1m"),
    ("plugins", "breaker_failures", "0", "10000"),
    ("plugins", "breaker_pause", "100ms", "1h"),
    ("plugins", "job_queue", "1", "1000000"),
    ("plugins", "job_concurrency", "1", "256"),
    ("plugins", "job_attempts", "1", "1000"),
    ("plugins", "job_timeout", "10ms", "10m"),
    ("plugins", "job_backoff", "10ms", "10m"),
    ("plugins", "job_max_backoff", "10ms", "1h"),
];

/// The keys that are paths of files and folders: they must not be empty.
pub(super) const PATHS: [(&str, &str); 10] = [
    ("server.tls", "certificate_file"),
    ("server.tls", "key_file"),
    ("server.tls.acme", "root_file"),
    ("server.tls.acme", "folder"),
    ("store", "path"),
    ("auth", "secret_key_file"),
    ("auth", "private_key_file"),
    ("auth", "public_key_file"),
    ("store.mongo", "uri_file"),
    ("bus.redis", "url_file"),
];

/// Checks one item of a list: the end of a sentence that begins with it.
type Check = fn(&str) -> Result<(), String>;

/// Checks the values of one layer, whose types are known to be right.
pub(super) fn check(tree: &Map<String, Value>) -> Vec<Finding> {
    let mut findings = Vec::new();
    let get = |table: &str, key: &str| tables::get(tree, table, key);
    for (table, key, least, most) in BOUNDS {
        if let Some(value) = get(table, key)
            && let Some(message) = outside(value, least, most)
        {
            findings.push(Finding::at(&tables::path(table, key), message));
        }
    }
    for (table, key) in PATHS {
        if get(table, key).and_then(Value::as_str) == Some("") {
            findings.push(Finding::at(&tables::path(table, key), "the path is empty"));
        }
    }
    if let Some(name) = get("store.mongo", "database").and_then(Value::as_str)
        && let Err(wrong) = check_database(name)
    {
        let path = tables::path("store.mongo", "database");
        findings.push(Finding::at(&path, format!("the name of a database {wrong}")));
    }
    if let Some(level) = get("log", "level").and_then(Value::as_str)
        && let Err(message) = log_level::check(level)
    {
        findings.push(Finding::at(&["log".into(), "level".into()], message));
    }
    if let Some(prefix) = get("bus.redis", "prefix").and_then(Value::as_str) {
        let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if !(1..=64).contains(&prefix.len()) || !prefix.chars().all(good) {
            let message = format!("{} is not 1 to 64 of a-z A-Z 0-9 . _ -", quoted(prefix));
            findings.push(Finding::at(&tables::path("bus.redis", "prefix"), message));
        }
    }
    let text = |key: &str| get("telemetry.otlp", key).and_then(Value::as_str);
    let wrong = [
        ("endpoint", text("endpoint").and_then(|it| telemetry::check_endpoint(it).err())),
        ("service", text("service").and_then(|it| telemetry::check_service(it).err())),
    ];
    for (key, message) in wrong {
        let path = tables::path("telemetry.otlp", key);
        findings.extend(message.map(|message| Finding::at(&path, message)));
    }
    let network = |text: &str| text.parse::<Network>().map(|_| ());
    let lists: [(&str, &str, Check); 3] = [
        ("server", "allowed_origins", web_origin::check),
        ("server", "trusted_proxies", network),
        (ACME, "domains", acme::check_domain),
    ];
    for (table, key, check) in lists {
        let items = get(table, key).and_then(Value::as_array);
        for (index, item) in items.into_iter().flatten().enumerate() {
            if let Some(Err(wrong)) = item.as_str().map(check) {
                let mut path = tables::path(table, key);
                path.push(index.into());
                let message = format!("{} {wrong}", quoted(item.as_str().unwrap_or_default()));
                findings.push(Finding::at(&path, message));
            }
        }
    }
    let texts: [(&str, Check); 2] =
        [("directory", acme::check_directory), ("contact", acme::check_contact)];
    for (key, check) in texts {
        let text = get(ACME, key).and_then(Value::as_str);
        if let Some((text, Err(wrong))) = text.map(|text| (text, check(text))) {
            let message = format!("{} {wrong}", quoted(text));
            findings.push(Finding::at(&tables::path(ACME, key), message));
        }
    }
    let domains = get(ACME, "domains").and_then(Value::as_array);
    if let Some(Err(message)) = domains.map(|domains| acme::check_count(domains.len())) {
        findings.push(Finding::at(&tables::path(ACME, "domains"), message));
    }
    findings.extend(previous_keys::check(tree));
    findings
}

/// What to say of a value that is outside its bounds.
pub(super) fn outside(value: &Value, least: &str, most: &str) -> Option<String> {
    let measure = measure(value)?;
    let within = amount(least).is_none_or(|least| least <= measure)
        && amount(most).is_none_or(|most| measure <= most);
    if within {
        return None;
    }
    let found = match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    Some(format!("must be from {least} to {most}, and is {found}"))
}

fn measure(value: &Value) -> Option<i128> {
    match value {
        Value::Number(number) => number.as_i64().map(i128::from),
        Value::String(text) => amount(text),
        _ => None,
    }
}

/// A count, a number of bytes, or a number of nanoseconds.
fn amount(text: &str) -> Option<i128> {
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    if let Ok(size) = text.parse::<ByteSize>() {
        return Some(size.0.into());
    }
    let duration = text.parse::<Duration>().ok()?;
    i128::try_from(duration.0.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{
        schema::{CONFIG, resolve},
        tables::TABLES,
    };

    /// `From 1s to 5m.`, `At most 5m.`: the bounds as the help of a key states them.
    fn stated(help: &str) -> (Option<String>, Option<String>) {
        let words: Vec<&str> = help.split_whitespace().collect();
        let literal = |word: &&str| {
            let word = word.trim_end_matches(['.', ',', ';']);
            let number = word.starts_with(|c: char| c.is_ascii_digit());
            number.then(|| word.to_owned())
        };
        let mut bounds = (None, None);
        for n in 0..words.len() {
            match words[n..] {
                ["From", least, "to", most, ..] => bounds = (literal(&least), literal(&most)),
                ["At" | "at", "most", most, ..] => bounds.1 = literal(&most),
                _ => {}
            }
        }
        bounds
    }

    #[test]
    fn every_measure_has_the_bounds_that_its_help_states() {
        let mut held = 0;
        let entry = resolve(&CONFIG, &CONFIG["properties"]["plugins"]["items"]);
        let entry = entry["properties"].as_object().unwrap();
        let entry = entry.iter().map(|(key, schema)| (key.as_str(), schema)).collect();
        let tables = TABLES.iter().map(|table| (table.name.as_str(), table.keys.clone()));
        for (section, keys) in tables.chain([("plugins", entry)]) {
            for (key, schema) in keys {
                let help = schema["description"].as_str().unwrap();
                let kind = resolve(&CONFIG, schema);
                let measured = kind["type"] == "integer"
                    || kind["format"] == "confab-duration"
                    || kind["format"] == "confab-bytes";
                let bound = BOUNDS.iter().find(|b| b.0 == section && b.1 == key);
                assert_eq!(bound.is_some(), measured, "{section}.{key}");
                let Some((_, _, least, most)) = bound else {
                    continue;
                };
                held += 1;
                let (stated_least, stated_most) = stated(help);
                if let Some(stated) = stated_least {
                    assert_eq!(&stated, least, "{section}.{key}: {help}");
                }
                match stated_most {
                    Some(stated) => assert_eq!(&stated, most, "{section}.{key}: {help}"),
                    // These two are bounded by another key.
                    None => assert!(["token_lifetime", "content"].contains(&key), "{key}"),
                }
                assert!(amount(least).unwrap() < amount(most).unwrap());
            }
        }
        assert_eq!(held, BOUNDS.len());
    }

    #[test]
    fn just_inside_and_just_outside() {
        for (value, least, most, good) in [
            ("1s", "1s", "5m", true),
            ("999ms", "1s", "5m", false),
            ("5m", "1s", "5m", true),
            ("5m 1ns", "1s", "5m", false),
            ("1KiB", "1KiB", "16MiB", true),
            ("1023B", "1KiB", "16MiB", false),
            ("1GB", "1KiB", "16MiB", false),
        ] {
            let value = Value::from(value);
            assert_eq!(outside(&value, least, most).is_none(), good, "{value}");
        }
        assert_eq!(outside(&Value::from(1024), "0", "1024"), None);
        let said = outside(&Value::from(1025), "0", "1024").unwrap();
        assert_eq!(said, "must be from 0 to 1024, and is 1025");
    }
}
