//! The documents say what the program does, and lead where they say.

use confab::code::Code;

use crate::source::{self, exists, files};

/// The rows of the table that begins with this head: those after its line of dashes.
fn rows<'a>(text: &'a str, head: &str) -> Vec<&'a str> {
    let mut lines = text.lines().skip_while(|line| *line != head);
    assert!(lines.next().is_some(), "there is no table {head}");
    lines.skip(1).take_while(|line| line.starts_with('|')).collect()
}

#[test]
fn the_readme_tells_every_code() {
    let readme = source::read("README.md");
    let told = rows(&readme, "| code | HTTP status | meaning |");
    let expected: Vec<_> = Code::ALL
        .iter()
        .map(|code| format!("| `{code}` | {} | {} |", code.status(), code.meaning().trim()))
        .collect();
    assert_eq!(told, expected, "\n{}", expected.join("\n"));
}

/// The targets of a document's links: `[text](target)`.
fn links(text: &str) -> Vec<&str> {
    text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ', '\n']).next()).collect()
}

/// A heading's anchor, as forges make it.
fn anchor(heading: &str) -> String {
    let kept = heading.trim().chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// The anchors of a document's headings. Comments in its examples count as well.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

/// The links of a document in this folder that lead nowhere.
fn broken<'a>(folder: &str, text: &'a str) -> Vec<&'a str> {
    let leads = |link: &&str| match link.split_once('#') {
        Some(("", heading)) => anchors(text).iter().any(|anchor| anchor == heading),
        _ if link.contains("://") || link.starts_with("mailto:") => true,
        Some((path, _)) => exists(&format!("{folder}{path}")),
        None => exists(&format!("{folder}{link}")),
    };
    links(text).into_iter().filter(|link| !leads(link)).collect()
}

#[test]
fn every_link_leads_somewhere() {
    for file in files("", &[".md"]) {
        let folder = file.path.rfind('/').map_or("", |end| &file.path[..=end]);
        let broken = broken(folder, &file.text);
        assert!(broken.is_empty(), "{}: {broken:?}", file.path);
    }
}

#[test]
fn a_broken_link_is_found() {
    let text = "# A b, c\n[1](#a-b-c) [2](#a-b) [3](../Cargo.toml) [4](no.md#x) [5](https://a.b)";
    assert_eq!(broken("src/", text), ["#a-b", "no.md#x"]);
}
