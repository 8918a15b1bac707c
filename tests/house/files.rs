//! What every file owes its reader.

use crate::source::files;

/// One idea a file: the most lines of code that one holds.
const LINES: usize = 400;

#[test]
fn no_file_is_long() {
    let all = files("", &[".rs", ".js", ".py", ".css"]);
    let long: Vec<_> = all
        .iter()
        .map(|file| (file.text.lines().count(), &file.path))
        .filter(|(lines, _)| *lines > LINES)
        .collect();
    assert!(long.is_empty(), "over {LINES} lines: {long:?}");
}

#[test]
fn every_module_says_what_it_is_for() {
    let all = files("", &[".rs"]);
    let says = |text: &str| {
        let first = text.lines().next().unwrap_or_default();
        first.strip_prefix("//! ").is_some_and(|sentence| !sentence.trim().is_empty())
    };
    let silent: Vec<_> = all.iter().filter(|f| !says(&f.text)).map(|f| &f.path).collect();
    assert!(silent.is_empty(), "do not begin with a `//!` sentence: {silent:?}");
    assert!(!says("//!\nfn f() {}") && !says("use a;\n//! b"));
}

/// Whether a text holds a path in somebody's home folder.
fn names_a_home(text: &str) -> bool {
    // In pieces, so that this file holds none.
    ["home", "root", "Users"].iter().any(|folder| {
        let start = format!("/{folder}/");
        text.match_indices(&start).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            let after = text[at + start.len()..].chars().next();
            // `example.org/home/page` is no path of a machine.
            let begins = !before.is_some_and(|c| c.is_alphanumeric() || "-_.~*)".contains(c));
            begins && after.is_some_and(char::is_alphanumeric)
        })
    })
}

#[test]
fn no_file_names_a_home_folder() {
    let all = files("", &[]);
    let wrong: Vec<_> = all.iter().filter(|f| names_a_home(&f.text)).map(|f| &f.path).collect();
    assert!(wrong.is_empty(), "these name a home folder: {wrong:?}");
}

#[test]
fn a_home_folder_is_found() {
    for folder in ["home", "root", "Users"] {
        for text in [format!("/{folder}/ann"), format!("x = \"file:///{folder}/ann/key\"")] {
            assert!(names_a_home(&text), "{text}");
        }
        assert!(!names_a_home(&format!("https://example.org/{folder}/page")));
    }
}
