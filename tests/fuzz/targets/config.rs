//! Configuration files, through the whole load: syntax, schema, bounds, chain, rules, secrets.

use std::{fs, path::Path};

use confab::{
    config::{ConfigErrors, Environment, Fingerprint, Flags, Loaded, changes, effective, load},
    registry,
};
use tempfile::TempDir;

use super::text;

/// Between the configuration file and one in `conf.d`.
const NEXT: &str = "\n---8<---\n";

/// What stands for a secret in an input.
const CANARY: &str = "CANARY";

/// Files are taken, or refused with errors that point into them; a secret is never told.
pub fn run(data: &[u8]) {
    let folder = folder();
    let file = folder.path().join("confab.toml");
    let all = text(data);
    let (main, more) = all.split_once(NEXT).unwrap_or((&all, ""));
    if all.contains(NEXT) {
        fs::create_dir(folder.path().join("conf.d")).expect("a folder");
        fs::write(folder.path().join("conf.d/more.toml"), more).expect("a file");
        fs::write(&file, main).expect("a file");
    } else {
        // As it came, also where it is not UTF-8.
        fs::write(&file, data).expect("a file");
    }
    let secret = is_secret(main) && is_secret(more) && all.contains(CANARY);
    let flags = Flags { config: Some(file), no_secrets: true, ..Flags::default() };
    let nothing: [(&str, &str); 0] = [];
    let result = load(&Environment::new(nothing, ""), &flags, &registry::manifests());
    check(&result, folder.path(), secret.then_some(CANARY));
}

/// A folder, in memory where there is such a place.
pub fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
    folder.expect("a temporary folder")
}

/// Whether the canary stands nowhere but where a secret is given.
fn is_secret(text: &str) -> bool {
    const BEFORE: [&str; 3] = ["secret_key = \"", "uri = \"", "url = \""];
    let mut lines = text.split(['\n', '\r']).filter(|line| line.contains(CANARY));
    lines.all(|line| {
        let value = BEFORE.iter().find_map(|before| line.strip_prefix(before));
        // Nothing of the line's beginning may be within a string that began before.
        value.is_some_and(|value| value.trim_matches(|c: char| c.is_alphanumeric()) == "\"")
            && !text.contains("\"\"\"")
            && !text.contains("'''")
    })
}

/// Checks what came of a load, of files in this folder.
pub fn check(result: &Result<Loaded, ConfigErrors>, folder: &Path, secret: Option<&str>) {
    let hidden = |text: &str, what: &str| {
        if let Some(secret) = secret {
            assert!(!text.contains(secret), "{what} tells the secret:\n{text}");
        }
        let ours = |c: char| c == '\n' || c == '\t';
        assert!(!text.contains(|c: char| c.is_control() && !ours(c)), "{what}: {text:?}");
    };
    match result {
        Ok(loaded) => {
            let shown = effective::render(loaded, &registry::manifests());
            if let Some(secret) = secret {
                assert!(!shown.contains(secret), "the effective configuration:\n{shown}");
                assert!(!format!("{loaded:?}").contains(secret), "its debug form");
            }
            assert_eq!(Fingerprint::of(&loaded.config), Fingerprint::of(&loaded.config.clone()));
            assert!(changes(&loaded.config, &loaded.config).is_empty());
            loaded.warnings.iter().for_each(|warning| hidden(&warning.render(false), "a warning"));
        }
        Err(errors) => {
            assert!(errors.count() > 0 && errors.iter().count() == errors.count());
            let told = errors.render(false);
            hidden(&told, "an error");
            assert!(told.contains(&format!("{} error", errors.count())));
            assert!(errors.render(true).len() > told.len());
            errors.iter().for_each(|error| {
                assert!(!error.message().is_empty());
                lies_within(&error.place(), folder);
            });
        }
    }
}

/// Whether a place `file:line:column` is one in that file, or just after its end.
pub fn lies_within(place: &str, folder: &Path) {
    let mut parts = place.rsplitn(3, ':');
    let numbers = (parts.next(), parts.next());
    let (Some(column), Some(line), Some(file)) = (numbers.0, numbers.1, parts.next()) else {
        return;
    };
    let (Ok(line), Ok(column)) = (line.parse::<usize>(), column.parse::<usize>()) else { return };
    assert!(file.starts_with(&folder.display().to_string()), "{place}");
    let bytes = fs::read(file).expect("an error names a file that is there");
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let found = text.split('\n').nth(line.checked_sub(1).expect("lines count from 1"));
    let found = found.unwrap_or_else(|| panic!("{place}: there is no such line"));
    assert!((1..=found.chars().count() + 1).contains(&column), "{place}: no such column");
}
