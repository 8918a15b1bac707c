//! The fixtures of `confab test`.

use std::fs;

use confab::{cli::check_fixtures, registry};

use super::config::{folder, lies_within};

/// A file is taken, or refused with errors that point into it.
pub fn run(data: &[u8]) {
    let folder = folder();
    let file = folder.path().join("fixtures.toml");
    fs::write(&file, data).expect("a file");
    let Err(errors) = check_fixtures(&file, &registry::manifests()) else { return };
    assert!(errors.count() > 0);
    let told = errors.render(false);
    assert!(!told.contains(|c: char| c.is_control() && c != '\n' && c != '\t'), "{told:?}");
    errors.iter().for_each(|error| lies_within(&error.place(), folder.path()));
}
