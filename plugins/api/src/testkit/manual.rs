//! Checks a plugin's manual page.

use crate::{Definition, Manifest};

/// What is wrong with the manual of `P`; empty if nothing is. A manual has the sections NAME,
/// SYNOPSIS, DESCRIPTION, OPTIONS and EXAMPLES, names every option in backquotes, and every
/// `toml` block in it can be read; each `[[plugins]]` entry of `P` in a block can be built, and
/// there is at least one.
pub fn manual_faults<P: Definition>() -> Vec<String> {
    let manifest = Manifest::of::<P>();
    let mut faults = Vec::new();
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
        if !manifest
            .manual
            .lines()
            .any(|line| line.trim_start_matches('#').trim() == section && line.starts_with('#'))
        {
            faults.push(format!("no section {section}"));
        }
    }
    let schema = (manifest.schema)();
    let options = schema.get("properties").and_then(|p| p.as_object());
    for option in options.into_iter().flat_map(|o| o.keys()) {
        if !manifest.manual.contains(&format!("`{option}`")) {
            faults.push(format!("option `{option}` is not described"));
        }
    }
    let mut built = 0;
    for block in toml_blocks(manifest.manual) {
        match block.parse::<toml::Table>() {
            Ok(table) => built += build_entries(&manifest, &table, &mut faults),
            Err(error) => faults.push(format!("an example is not TOML: {error}")),
        }
    }
    if built == 0 {
        faults.push("no example of a [[plugins]] entry that can be built".into());
    }
    faults
}

fn toml_blocks(manual: &str) -> impl Iterator<Item = &str> {
    manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest))
}

fn build_entries(manifest: &Manifest, table: &toml::Table, faults: &mut Vec<String>) -> usize {
    let entries = table.get("plugins").and_then(|p| p.as_array());
    let mut built = 0;
    for entry in entries.into_iter().flatten() {
        if entry.get("use").and_then(|u| u.as_str()) != Some(manifest.name) {
            continue;
        }
        let options = match entry.get("options") {
            Some(options) => serde_json::to_value(options).unwrap_or_default(),
            None => serde_json::json!({}),
        };
        match (manifest.build)(manifest.name, options) {
            Ok(_) => built += 1,
            Err(problems) => faults.extend(
                problems.iter().map(|problem| format!("an example cannot be built: {problem}")),
            ),
        }
    }
    built
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, Plugin, Problem};

    macro_rules! plugin {
        ($name:ident, $manual:literal) => {
            struct $name;
            impl Plugin for $name {}
            impl Definition for $name {
                const NAME: &'static str = "sample";
                const SUMMARY: &'static str = "a sample";
                const MANUAL: &'static str = $manual;
                const ON: &'static [EventKind] = &[EventKind::Message];
                type Options = Options;

                fn new(_: &str, _: Options) -> Result<Self, Vec<Problem>> {
                    Ok($name)
                }
            }
        };
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Options {
        #[serde(default)]
        #[allow(dead_code)]
        limit: u8,
    }

    plugin!(
        Good,
        "## NAME\n## SYNOPSIS\n```toml\n[[plugins]]\nuse = \"sample\"\n[plugins.options]\nlimit = 1\n\
         ```\n## DESCRIPTION\n## OPTIONS\n`limit`\n## EXAMPLES\n"
    );
    plugin!(
        Bad,
        "## NAME\n## SYNOPSIS\n## OPTIONS\nlimit\n## EXAMPLES\n```toml\n[[plugins]]\nuse = \"sample\"\n\
         [plugins.options]\nlimits = 1\n```\n```toml\n= 1\n```\n"
    );

    #[test]
    fn a_manual_is_checked() {
        assert_eq!(manual_faults::<Good>(), Vec::<String>::new());
        let faults = manual_faults::<Bad>().join("\n");
        for fault in [
            "no section DESCRIPTION",
            "option `limit` is not described",
            "unknown field `limits`",
            "not TOML",
            "no example of a [[plugins]] entry",
        ] {
            assert!(faults.contains(fault), "{fault} is missing from: {faults}");
        }
    }
}
