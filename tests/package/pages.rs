//! The manual pages.

use std::{collections::BTreeMap, ffi::OsStr, fs, process::Command};

use crate::{confab, read, run};

/// The pages by the names of their files, as text of 100 columns.
fn pages() -> BTreeMap<String, String> {
    let folder = tempfile::tempdir().unwrap();
    let output = confab([OsStr::new("man"), folder.path().join("new").as_os_str()]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let files = fs::read_dir(folder.path().join("new")).unwrap();
    files
        .map(|file| {
            let file = file.unwrap();
            // Refuses what is no clean roff; that there is no date without SOURCE_DATE_EPOCH is meant.
            let lint = Command::new("mandoc")
                .args(["-T", "lint", "-W", "warning"])
                .arg(file.path())
                .output()
                .unwrap();
            let lint = String::from_utf8(lint.stdout).unwrap();
            let flaws: Vec<_> =
                lint.lines().filter(|line| !line.contains("missing date")).collect();
            assert!(flaws.is_empty(), "{flaws:#?}");
            let mut mandoc = Command::new("mandoc");
            let text = run(mandoc.args(["-T", "utf8", "-O", "width=100"]).arg(file.path()));
            // Bold and italic are struck over.
            let text = strip(&text);
            (file.file_name().into_string().unwrap(), text)
        })
        .collect()
}

/// Text without what a typewriter struck before.
fn strip(text: &str) -> String {
    let mut out = String::new();
    for letter in text.chars() {
        if letter == '\u{8}' {
            out.pop();
        } else {
            out.push(letter);
        }
    }
    out
}

/// A page as one line, so that no break of a line is in the way.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[test]
fn every_command_has_a_page_and_each_page_its_parts() {
    let pages = pages();
    let help = String::from_utf8(confab(["--help"]).stdout).unwrap();
    let list = help.split("\nCommands:\n").nth(1).unwrap().split("\n\nOptions:").next().unwrap();
    let commands = list.lines().filter_map(|line| {
        let name = line.strip_prefix("  ")?.split(' ').next()?;
        (!name.is_empty() && name != "help").then_some(name)
    });
    let commands: Vec<_> = commands.collect();
    assert!(commands.contains(&"bench") && commands.contains(&"audit"), "{commands:?}");
    for command in &commands {
        let page = format!("confab-{command}.1");
        assert!(pages.contains_key(&page), "{page} is missing");
        assert!(pages["confab.1"].contains(&format!("confab-{command}(1)")), "{command}");
    }
    for (name, text) in &pages {
        let title = name.rsplit_once('.').map(|(name, section)| format!("{name}({section})"));
        let title = title.unwrap().to_uppercase();
        assert!(text.trim_start().starts_with(&title), "{name}: {text}");
        for part in ["NAME", "DESCRIPTION", "SEE ALSO"] {
            assert!(text.lines().any(|line| line == part), "{name} has no {part}");
        }
    }
    let usage = one_line(&pages["confab-check.1"]);
    assert!(usage.contains("confab check [OPTIONS]"), "{usage}");
    assert!(usage.contains("OPTIONS --online Also ask the store"), "{usage}");
}

/// Table, key and default of each line of config/confab.toml; no default if it is a comment.
fn keys() -> Vec<(String, String, Option<String>)> {
    let file = read("config/confab.toml");
    let file = file.split("\n# Another one").next().unwrap();
    let mut keys = Vec::new();
    let mut table = String::new();
    for line in file.lines() {
        if let Some(name) = line.strip_prefix('[') {
            table = name.trim_matches(['[', ']']).to_owned();
            continue;
        }
        let (set, line) = match line.strip_prefix("# ") {
            Some(line) => (false, line),
            None => (true, line),
        };
        let Some((key, value)) = line.split_once(" = ") else {
            continue;
        };
        let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if !table.is_empty() && key.chars().all(name) {
            keys.push((table.clone(), key.to_owned(), set.then(|| value.to_owned())));
        }
    }
    keys
}

#[test]
fn the_page_of_the_configuration_tells_every_key() {
    let page = one_line(&pages()["confab.toml.5"]);
    let keys = keys();
    assert!(keys.len() > 80, "{}", keys.len());
    let headers: Vec<_> = keys.iter().map(|(table, ..)| format!(" [{table}] ")).collect();
    for (table, key, default) in keys {
        let chain = table == "plugins";
        let header = if chain { "[[plugins]] An".to_owned() } else { format!(" [{table}] ") };
        // The header in the text that the keys begin with, and not in an example.
        let start = page.find(" KEYS ").unwrap();
        let section = page[start..].split_once(&header).unwrap_or_else(|| panic!("no {header}")).1;
        let end = headers.iter().filter_map(|header| section.find(header)).min();
        let section = &section[..end.unwrap_or(section.len())];
        let entry = section.split_once(&format!(" {key} "));
        let (_, entry) = entry.unwrap_or_else(|| panic!("no {table}.{key} in {section}"));
        let told = match &default {
            _ if key == "use" => "has to be given.".to_owned(),
            Some(default) => format!("default {default}."),
            None => "not set by default.".to_owned(),
        };
        assert!(entry.contains(&told), "{table}.{key} is {told:?}, and not in {entry}");
        let variable = format!("CONFAB_{}__{key}", table.replace('.', "__")).to_uppercase();
        assert_eq!(entry.contains(&variable), !chain, "{variable}");
    }
    for word in ["SECRET_KEY_FILE", "From 1s to 5m.", "Duration from 1s to 5m; default \"30s\"."] {
        assert!(page.contains(word), "{word}");
    }
    // The options of the plugins that are compiled in.
    assert!(page.contains("deny List of"), "{page}");
}
