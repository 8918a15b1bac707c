//! What an operator is shown of plugins.

use confab_plugin::{Definition, Duration, Plugin, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

struct Gate;

/// Options of a gate.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct Options {
    /// How many.
    #[schemars(range(min = 1, max = 9))]
    most: u8,
    /// How long.
    wait: Duration,
    /// What to do.
    action: Action,
    /// What to tell.
    message: Option<String>,
    /// The rules.
    #[schemars(length(max = 5))]
    rules: Vec<Rule>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    Deny,
    Mask,
}

#[derive(Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Rule {
    /// Where it looks.
    field: String,
    /// Rules within it.
    #[serde(default)]
    rules: Vec<Rule>,
}

impl Default for Options {
    fn default() -> Self {
        let wait = Duration::from_secs(5);
        Self { most: 3, wait, action: Action::Mask, message: None, rules: Vec::new() }
    }
}

impl Plugin for Gate {}

impl Definition for Gate {
    const NAME: &'static str = "gate";
    const SUMMARY: &'static str = "opens and closes";
    const MANUAL: &'static str = "# gate\n\nAs it was written.\n";
    const ON: &'static [EventKind] = &[EventKind::Login, EventKind::Message];
    const PLACE: &'static [Place] = &[Place::Before { plugin: "filter", why: "it is cheaper" }];
    const COMMANDS: &'static [Command] = &[Command {
        name: "measure",
        arguments: "FILE…",
        about: "measures files",
        run: |_| Ok(String::new()),
    }];
    type Options = Options;

    fn new(_: &str, _: Options) -> Result<Self, Vec<Problem>> {
        Ok(Gate)
    }
}

struct Bare;

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct NoOptions {}

impl Plugin for Bare {}

impl Definition for Bare {
    const NAME: &'static str = "a-bare-one";
    const SUMMARY: &'static str = "does nothing";
    const MANUAL: &'static str = "# a-bare-one\n";
    const ON: &'static [EventKind] = &EventKind::ALL;
    type Options = NoOptions;

    fn new(_: &str, _: NoOptions) -> Result<Self, Vec<Problem>> {
        Ok(Bare)
    }
}

fn manifests() -> [Manifest; 2] {
    [Manifest::of::<Bare>(), Manifest::of::<Gate>()]
}

#[test]
fn the_list_is_in_columns_and_says_how_to_see_more() {
    assert_eq!(
        list(&manifests()),
        "\
PLUGIN      HANDLES        WHAT IT DOES
a-bare-one  all kinds      does nothing
gate        login message  opens and closes

Their options and manuals: confab plugins NAME, such as gate
"
    );
    assert_eq!(list(&[]), "No plugin is compiled in.\n");
}

#[test]
fn the_page_tells_all_of_a_plugin() {
    let [bare, gate] = manifests();
    assert_eq!(
        page(&gate),
        "\
gate - opens and closes

Handles, unless `on` says otherwise:
  login message

Place in the chain:
  before filter: it is cheaper

Commands:
  confab gate measure FILE…
      measures files

Options:
  most                   whole number from 1 to 9; default 3
      How many.
  wait                   duration; default \"5s\"
      How long.
  action                 one of \"deny\" \"mask\"; default \"mask\"
      What to do.
  message                text; not set by default
      What to tell.
  rules                  list of tables, at most 5; default []
      The rules.
  rules[].field          text; required
      Where it looks.
  rules[].rules          list of tables; default []
      Rules within it.
  rules[].rules[].field  text; required
      Where it looks.
  rules[].rules[].rules  list of tables; default []
      Rules within it.

Manual:

# gate

As it was written.
"
    );
    assert!(page(&bare).contains("\nIt has no options.\n\nManual:\n"), "{}", page(&bare));
}

#[test]
fn json_holds_the_schema_of_the_options_and_the_manual() {
    let [_, gate] = manifests();
    let shown: Value = serde_json::from_str(&schema::text(&json(&gate))).unwrap();
    assert_eq!(shown["name"], "gate");
    assert_eq!(shown["on"], json!(["login", "message"]));
    assert_eq!(shown["place"], json!([{ "before": "filter", "why": "it is cheaper" }]));
    assert_eq!(shown["commands"][0]["arguments"], "FILE…");
    assert_eq!(shown["options"]["properties"]["most"]["maximum"], 9);
    assert_eq!(shown["manual"], Gate::MANUAL);
    let listed: Value = serde_json::from_str(&list_json(&manifests())).unwrap();
    assert_eq!(listed[0]["name"], "a-bare-one");
    assert_eq!(listed.as_array().unwrap().len(), 2);
}

#[test]
fn a_name_that_is_unknown_gets_a_hint() {
    assert_eq!(
        unknown("gaet", &manifests()),
        "error: unknown plugin \"gaet\", did you mean \"gate\"?\ncompiled in are a-bare-one, gate"
    );
    assert!(unknown("x", &[]).ends_with("\nno plugin is compiled in"));
}

#[test]
fn the_version_says_what_is_compiled_in() {
    assert!(version(&manifests()).ends_with("\nplugins: a-bare-one gate"));
    assert!(version(&[]).ends_with("\nplugins: none"));
}
