//! The page of the configuration: `confab.toml(5)`.

use clap_mangen::roff::{Roff, bold, italic, roman};
use confab_plugin::Manifest;

use super::{super::option_rows::rows, Page, page, prose};
use crate::config::{
    json_schema,
    reference::{self, Key, Section},
};

const DESCRIPTION: &str = "\
The configuration of the chat daemon confab(1), in TOML 1.0. Every key has a default, and no file \
is needed at all.

Where a value comes from, later layers win:
  1. the defaults; for secrets also the systemd credentials secret_key, mongo_uri and redis_url
  2. the file that --config names, else the variable CONFAB_CONFIG, else /etc/confab/confab.toml \
if it exists
  3. the files conf.d/*.toml beside it, in the order of their names
  4. the variables with names of their own, such as SECRET_KEY or RUST_LOG
  5. the variables CONFAB_SECTION__KEY, such as CONFAB_SERVER__LISTEN; lists are written a,b or \
[\"a\", \"b\"]
  6. the options --listen, --admin-listen, --data and --log-level

A key replaces the same key of an earlier layer. The [[plugins]] of the files follow each other in \
one chain. Relative paths begin where the daemon was started.

What values look like:
  duration  a string such as \"250ms\", \"10s\", \"5m\", \"1h\" or \"7days\"
  size  a string such as \"512B\", \"64KiB\" or \"2MiB\"
  address and port  a string such as \"127.0.0.1:8080\" or \"[::]:8080\"

confab-check(1) tells all that is wrong with a configuration, each error with its place; \
confab-config(1) shows what holds, and where each value comes from. The daemon takes up a changed \
file on SIGHUP; when it is wrong, the configuration of before goes on. What can't be changed so, \
such as addresses and the store, is named in the log.

A daemon whose configuration is wrong does not start: it ends with status 78.";

const SECRETS: &str = "\
Better than in this file, a secret stands in a file of its own which the daemon's user alone can \
read (secret_key_file, uri_file, url_file), in a variable, or in a systemd credential. No secret is \
ever shown or logged.";

const CHAIN: &str = "\
An entry of the chain. The order in the file is the order of the chain. Entries given replace the \
two that are the default, metrics and log; those in conf.d/*.toml come after them. `plugins = []` \
at the top of the file is a chain without entries. No variable gives these keys.";

const OPTIONS: &str = "\
What stands below [plugins.options] of an entry depends on its plugin. confab-plugins(1) shows the \
manual of each.";

const EXAMPLE: &str = "  [server]
  listen = \"0.0.0.0:8080\"

  [store]
  path = \"/var/lib/confab\"

  [[plugins]]
  use = \"metrics\"

  [[plugins]]
  use = \"filter\"
  name = \"no-links\"
  [plugins.options]
  deny = [\"https?://\"]";

const FILES: &str = "  /etc/confab/confab.toml  The configuration.
  /etc/confab/conf.d/*.toml  Parts of it.
  /usr/share/doc/confab/examples  A file with every key and its default, and one for several nodes.";

/// The page: every key of this build, with the options of these plugins.
pub(super) fn page(manifests: &[Manifest], date: &str) -> Page {
    let mut roff = Roff::new();
    page::header(&mut roff, "confab.toml", "5", date, "confab configuration");
    roff.control("SH", ["NAME"]);
    roff.text([roman("confab.toml - configuration of the chat daemon confab")]);
    roff.control("SH", ["DESCRIPTION"]);
    prose::append(&mut roff, DESCRIPTION, false);
    roff.control("SS", ["Secrets"]);
    prose::append(&mut roff, SECRETS, false);
    roff.control("SH", ["KEYS"]);
    for section in &reference::sections() {
        append(&mut roff, section);
    }
    roff.control("SH", ["OPTIONS OF PLUGINS"]);
    prose::append(&mut roff, OPTIONS, false);
    for manifest in manifests {
        options(&mut roff, manifest);
    }
    roff.control("SH", ["EXAMPLE"]);
    prose::append(&mut roff, EXAMPLE, false);
    roff.control("SH", ["FILES"]);
    prose::append(&mut roff, FILES, false);
    let pages = ["confab", "confab-check", "confab-config", "confab-plugins", "confab-schema"];
    page::see_also(&mut roff, &pages.map(|name| (name.to_owned(), "1")));
    Page { file: "confab.toml.5".to_owned(), text: page::whole(&[roff.render()]) }
}

fn append(roff: &mut Roff, section: &Section) {
    let chain = section.name == "plugins";
    let name = if chain { "[[plugins]]".to_owned() } else { format!("[{}]", section.name) };
    roff.control("SS", [name.as_str()]);
    prose::append(roff, if chain { CHAIN } else { &section.help }, false);
    for Key { name, help, kind, default, required, variables } in &section.keys {
        roff.control("TP", []).text([bold(name.as_str())]);
        roff.text([roman(help.as_str())]);
        let mut facts = vec![roman(sentence(kind)), roman("; ")];
        match default {
            Some(default) => facts.extend([roman("default "), bold(default.as_str())]),
            None if *required => facts.push(roman("has to be given")),
            None => facts.push(roman("not set by default")),
        }
        facts.push(roman("."));
        roff.control("br", []).text(facts);
        if !variables.is_empty() {
            roff.control("br", []);
        }
        let last = variables.len().saturating_sub(1);
        for (number, variable) in variables.iter().enumerate() {
            let comma = if number == last { "" } else { "," };
            roff.text([italic(variable.as_str()), roman(comma)]);
        }
    }
}

fn options(roff: &mut Roff, manifest: &Manifest) {
    roff.control("SS", [manifest.name]);
    prose::append(roff, &sentence(manifest.summary), false);
    let rows = rows(&json_schema::options(manifest));
    if rows.is_empty() {
        prose::append(roff, "It has no options.", false);
    }
    for row in rows {
        roff.control("TP", []).text([bold(row.key)]);
        if !row.help.is_empty() {
            roff.text([roman(row.help)]).control("br", []);
        }
        roff.text([roman(format!("{}.", sentence(&row.kind)))]);
    }
}

/// The text with a capital.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}", first.unwrap_or_default(), letters.as_str())
}
