//! The two lines of a plugin: its dependency in `Cargo.toml`, its manifest in `src/registry.rs`,
//! each at its place in the order of names. All else stays as it is.

use super::name::Name;

/// The text of `Cargo.toml` with the dependency.
///
/// # Errors
/// It is there already, or there is no place for it.
pub fn with_dependency(text: &str, name: &Name) -> Result<String, String> {
    let package = name.package();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let header = lines.iter().position(|line| line.trim() == "[dependencies]");
    let header = header.ok_or("Cargo.toml has no [dependencies]")?;
    let section = lines.iter().enumerate().skip(header + 1);
    let section = section.take_while(|(_, line)| !line.trim_start().starts_with('['));
    // Without other plugins, it comes first.
    let mut place = header + 1;
    for (number, line) in section {
        let Some((key, how)) = line.split_once('=') else { continue };
        if key.trim_start().starts_with('#') {
            continue;
        }
        let key = key.trim().trim_matches('"');
        if key == package {
            let name = name.as_str();
            return Err(format!(
                "there is a plugin {name} already (Cargo.toml has {package}): take another name"
            ));
        }
        if how.contains("path = \"plugins/") && key < &*package {
            place = number + 1;
        }
    }
    // Above the first one, but below what is said of them all.
    if place == header + 1 {
        place += lines.iter().skip(place).take_while(|line| line.starts_with('#')).count();
    }
    let line = format!("{package} = {{ path = \"plugins/{}\" }}", name.as_str());
    let text = insert(&lines, place, &line);
    let parsed: toml::Table =
        text.parse().map_err(|error| format!("Cargo.toml cannot be read: {error}"))?;
    let found = parsed.get("dependencies").and_then(|table| table.get(&package)?.get("path"));
    match found.and_then(toml::Value::as_str) {
        Some(path) if path == format!("plugins/{}", name.as_str()) => Ok(text),
        _ => Err("there is no place for the dependency in Cargo.toml".into()),
    }
}

/// The text of `src/registry.rs` with the manifest.
///
/// # Errors
/// It is there already, or there is no place for it.
pub fn with_manifest(text: &str, name: &Name) -> Result<String, String> {
    let own = name.crate_name();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut entries = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let code = line.split("//").next().unwrap_or_default();
        let Some((_, path)) = code.split_once("Manifest::of::<") else { continue };
        let of = path.trim_start().split("::").next().unwrap_or_default();
        if of == own {
            let name = name.as_str();
            return Err(format!(
                "there is a plugin {name} already (src/registry.rs has it): take another name"
            ));
        }
        entries.push((number, of));
    }
    let line = format!("Manifest::of::<{own}::{}>(),", name.type_name());
    // After the last of those before it, so that attributes and comments stay with what follows.
    let before = entries.iter().rev().find(|(_, of)| *of < &*own);
    let (place, like) = match (before, entries.first()) {
        (Some((number, _)), _) => (number + 1, *number),
        (None, Some((number, _))) => (first_of(&lines, *number), *number),
        (None, None) => {
            let list = lines.iter().position(|line| line.trim_end().ends_with("&["));
            let list = list.ok_or("src/registry.rs has no list of manifests")?;
            let indent = format!("{}    ", indent(lines.get(list).unwrap_or(&"")));
            return Ok(insert(&lines, list + 1, &format!("{indent}{line}")));
        }
    };
    let indent = indent(lines.get(like).unwrap_or(&""));
    Ok(insert(&lines, place, &format!("{indent}{line}")))
}

/// The first line of an entry: that of its first attribute.
fn first_of(lines: &[&str], entry: usize) -> usize {
    let above = lines.iter().take(entry).rev();
    entry - above.take_while(|line| line.trim_start().starts_with("#[")).count()
}

fn indent(line: &str) -> &str {
    line.split_at(line.len() - line.trim_start().len()).0
}

fn insert(lines: &[&str], place: usize, line: &str) -> String {
    let windows = lines.first().is_some_and(|line| line.ends_with("\r\n"));
    let end = if windows { "\r\n" } else { "\n" };
    let (before, after) = lines.split_at(place.min(lines.len()));
    let mut text = before.concat();
    if !text.is_empty() && !text.ends_with('\n') {
        text += end;
    }
    text + line + end + &after.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> Name {
        Name::new(name, &[]).unwrap()
    }

    /// The line before, the new line, the line after.
    fn around(text: &str, new: &str) -> [String; 3] {
        let lines: Vec<_> = text.lines().collect();
        let at = lines.iter().position(|line| line.contains(new)).unwrap();
        [at - 1, at, at + 1].map(|at| lines.get(at).unwrap_or(&"").trim().to_owned())
    }

    const CARGO: &str = "[package]\nname = \"confab\"\n\n[dependencies]\n# Such as:\n\
        #     confab-brief = { path = \"plugins/brief\" }\n# The plugins.\n\
        confab-filter = { path = \"plugins/filter\" }\n\
        confab-log = { path = \"plugins/log\", optional = true }\n\n\
        confab-plugin.workspace = true\nserde = \"1\"\n\n[features]\nlog = [\"dep:confab-log\"]\n";

    #[test]
    fn the_dependency_finds_its_place() {
        let place = |plugin: &str| {
            let text = with_dependency(CARGO, &name(plugin)).unwrap();
            let line = format!("confab-{plugin} = {{ path = \"plugins/{plugin}\" }}\n");
            assert_eq!(text.replacen(&line, "", 1), CARGO, "all else stays");
            around(&text, &format!("confab-{plugin} ="))
        };
        assert_eq!(place("audit")[0], "# The plugins.");
        assert!(place("hours")[0].starts_with("confab-filter"));
        assert!(place("zoo")[0].starts_with("confab-log"));
        assert_eq!(place("zoo")[2], "");
        assert!(with_dependency(CARGO, &name("log")).is_err());
        assert!(with_dependency("[package]\n", &name("log")).is_err());
        let first = with_dependency("[dependencies]\nserde = \"1\"", &name("log")).unwrap();
        assert_eq!(first, "[dependencies]\nconfab-log = { path = \"plugins/log\" }\nserde = \"1\"");
    }

    #[test]
    fn the_manifest_finds_its_place() {
        let plain = "vec![\n        Manifest::of::<confab_filter::Filter>(),\n    ]\n";
        let text = with_manifest(plain, &name("hours")).unwrap();
        let expected = "vec![\n        Manifest::of::<confab_filter::Filter>(),\n        \
            Manifest::of::<confab_hours::Hours>(),\n    ]\n";
        assert_eq!(text, expected);
        let empty = with_manifest("    &[\n    ]\n", &name("hours")).unwrap();
        assert_eq!(empty, "    &[\n        Manifest::of::<confab_hours::Hours>(),\n    ]\n");
        assert!(with_manifest(plain, &name("filter")).is_err());
        assert!(with_manifest("fn f() {}", &name("filter")).is_err());
    }

    #[test]
    fn attributes_and_comments_stay_with_their_lines() {
        let text = "vec![\n    // The shipped ones, by name.\n    #[cfg(feature = \"audit\")]\n    \
            Manifest::of::<confab_audit::Audit>(),\n    \
            #[cfg(feature = \"filter\")] Manifest::of::<confab_filter::Filter>(),\n    \
            // Louder than the filter.\n    #[cfg(feature = \"log\")]\n    \
            Manifest::of::<confab_log::Log>(),\n]\n";
        let place = |plugin: &str, ty: &str| {
            let text = with_manifest(text, &name(plugin)).unwrap();
            around(&text, &format!("Manifest::of::<confab_{plugin}::{ty}>(),"))
        };
        let first = place("aaa", "Aaa");
        assert_eq!(
            [&*first[0], &*first[2]],
            ["// The shipped ones, by name.", "#[cfg(feature = \"audit\")]"]
        );
        let middle = place("hours", "Hours");
        assert!(middle[0].contains("confab_filter") && middle[2].starts_with("// Louder"));
        let second = place("brief", "Brief");
        assert!(second[0].contains("confab_audit") && second[2].contains("confab_filter"));
        assert!(place("zoo", "Zoo")[0].contains("confab_log"));
    }

    #[test]
    fn line_ends_are_kept() {
        let text = with_dependency("[dependencies]\r\nserde = \"1\"\r\n", &name("x")).unwrap();
        assert!(!text.replace("\r\n", "").contains('\n'), "{text:?}");
    }
}
