//! `confab schema`: the JSON Schema of the configuration, for editors and checkers.

use std::process::ExitCode;

use confab_plugin::Manifest;
use serde_json::Value;

use super::output;
use crate::config::json_schema;

/// Prints the schema of this build: with the options of the plugins that are compiled in.
pub(super) fn run(manifests: &[Manifest]) -> ExitCode {
    output::to_stdout(&text(&json_schema::config(manifests)))
}

/// JSON for people too.
pub(super) fn text(json: &Value) -> String {
    format!("{json:#}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::manifests;

    const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/confab.schema.json");

    /// Its name holds `config` because the command that writes the shipped files anew asks for
    /// that: `CONFAB_BLESS=1 cargo test --lib config`.
    #[test]
    fn config_schema_file_is_what_the_command_prints() {
        let text = text(&json_schema::config(&manifests()));
        if std::env::var_os("CONFAB_BLESS").is_some() {
            std::fs::write(FILE, &text).unwrap();
        }
        let file = std::fs::read_to_string(FILE).unwrap_or_default();
        let hint = "run CONFAB_BLESS=1 cargo test --lib config to write config/confab.schema.json";
        assert!(file == text, "{hint}");
    }
}
