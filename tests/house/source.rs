//! The files of this repository.

use std::{fs, path::Path};

/// Folders that are nobody's work: made by tools, or by a daemon that ran here.
const NOT_OURS: [&str; 4] = ["confab-data", "node_modules", "target", "__pycache__"];

/// Hidden folders that belong to the repository all the same.
const HIDDEN: [&str; 2] = [".ci", ".github"];

/// A file of this repository.
pub struct Source {
    /// Its path from the root, such as `src/lib.rs`.
    pub path: String,
    /// What it holds; bytes that are not UTF-8 are replaced.
    pub text: String,
}

/// The text of one file.
pub fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Whether there is such a file or folder.
pub fn exists(path: &str) -> bool {
    root().join(path).exists()
}

/// The names of the folders in a folder, sorted.
pub fn folders(path: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(path)).unwrap().map(Result::unwrap);
    let folders = entries.filter(|entry| entry.file_type().unwrap().is_dir());
    let mut names: Vec<_> = folders.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// All files below `folder` whose names end in one of `endings` (all, if there are none), sorted
/// by path. Never empty.
pub fn files(folder: &str, endings: &[&str]) -> Vec<Source> {
    let mut found = Vec::new();
    walk(folder, endings, &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!found.is_empty(), "no file in {folder:?} ends in {endings:?}");
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn walk(folder: &str, endings: &[&str], found: &mut Vec<Source>) {
    for entry in fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap) {
        let name = entry.file_name().into_string().unwrap();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            let hidden = name.starts_with('.') && !HIDDEN.contains(&&*name);
            if !hidden && !NOT_OURS.contains(&&*name) {
                walk(&path, endings, found);
            }
        } else if kind.is_file()
            && (endings.is_empty() || endings.iter().any(|end| name.ends_with(end)))
        {
            let bytes = fs::read(entry.path()).unwrap();
            found.push(Source { path, text: String::from_utf8_lossy(&bytes).into_owned() });
        }
    }
}
