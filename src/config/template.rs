//! The text of `config/confab.toml`: every key with its help and its default.

use std::fmt::Write as _;

use serde_json::Value;

use super::{
    effective::{assignment, example, keys},
    schema::CONFIG,
    sections::Config,
    tables::{self, Table},
};

const HEAD: &str = "\
#:schema ./confab.schema.json
#
# confab.toml: every key of the configuration, with its default. Without this file, or with an
# empty one, confab does the same.
#
# Later layers win:
#   1. the defaults; for secrets also the systemd credentials secret_key,
#      previous_secret_key, mongo_uri and redis_url
#   2. this file: the one that --config names, else the variable CONFAB_CONFIG, else
#      /etc/confab/confab.toml
#   3. the files conf.d/*.toml beside it, by name
#   4. the variables SECRET_KEY, ALGORITHM, MONGO_URI, MONGO_DB, REDIS_URL and RUST_LOG;
#      SECRET_KEY_FILE, MONGO_URI_FILE and REDIS_URL_FILE name files that hold them
#   5. the variables CONFAB_SECTION__KEY, such as CONFAB_SERVER__LISTEN or
#      CONFAB_BUS__REDIS__PREFIX
#   6. the flags --listen, --admin-listen, --data and --log-level
# A key replaces the same key of an earlier layer. The [[plugins]] of this file and of conf.d
# follow each other in one chain. Relative paths begin where the daemon was started.
#
# `confab check` says what is wrong with it, `confab config` what holds and why. Editors that know
# TOML complete and check it by the first line; `confab schema >confab.schema.json` writes what
# they need beside it.
";

const CHAIN: &str = "\
#
# An entry has these keys, and below [plugins.options] those of its plugin. The order in the
# file is the order of the chain. Entries given here replace the two that are the default;
# entries in conf.d/*.toml come after them. `plugins = []` at the top of this file is a chain
# without entries.
";

const FILTER: &str = "
# Another one, which refuses messages with links:
#
# [[plugins]]
# use = \"filter\"
# name = \"no-links\"
# [plugins.options]
# deny = [\"https?://\"]
";

/// The text of `config/confab.toml`.
pub fn render() -> String {
    let defaults = serde_json::to_value(Config::default()).unwrap_or_default();
    let mut out = HEAD.to_owned();
    for (section, schema) in keys(&CONFIG) {
        let Some(entries) = defaults.get(section).and_then(Value::as_array) else {
            for Table { name, help: schema, .. } in tables::of(section) {
                out.push('\n');
                help(&mut out, schema);
                let _ = writeln!(out, "[{name}]");
                let defaults = defaults.pointer(&format!("/{}", name.replace('.', "/")));
                table(&mut out, schema, defaults, "\n");
            }
            continue;
        };
        out.push('\n');
        help(&mut out, schema);
        out.push_str(CHAIN);
        let entry_schema = schema.get("items").unwrap_or(schema);
        for (number, entry) in entries.iter().enumerate() {
            if number == 0 {
                let _ = writeln!(out, "[[{section}]]");
                table(&mut out, entry_schema, Some(entry), "");
            } else {
                let used = entry.get("use").unwrap_or(&Value::Null);
                let _ = writeln!(out, "\n[[{section}]]\n{}", assignment("use", used));
            }
        }
    }
    out.push_str(FILTER);
    out
}

fn table(out: &mut String, schema: &Value, defaults: Option<&Value>, between: &str) {
    for (key, schema) in keys(schema) {
        let default = defaults.and_then(|table| table.get(key));
        let Some((value, set)) = example(schema, default) else {
            continue;
        };
        // The options of a plugin and a table in a table have headers of their own.
        if value.is_object() {
            continue;
        }
        out.push_str(between);
        help(out, schema);
        let mark = if set { "" } else { "# " };
        let _ = writeln!(out, "{mark}{}", assignment(key, &value));
    }
}

fn help(out: &mut String, schema: &Value) {
    let help = schema.get("description").and_then(Value::as_str);
    for line in help.unwrap_or_default().lines() {
        let _ = writeln!(out, "# {line}");
    }
}
