//! The keys beside the current one: which files hold them, and what they hold.

use std::path::PathBuf;

use confab_plugin::Segment;
use serde_json::{Map, Value};

use super::{
    document::{Finding, Target},
    environment::Environment,
    error::{ConfigError, Place, unreadable},
    given::{Found, read_text},
    layers::{Layer, Origin},
    secret_key,
    sections::Auth,
    tables,
};

/// The most of them. Each is tried for a token that does not say which key signed it.
pub(super) const MOST: usize = 8;

/// The keys that name them.
pub(super) const KEYS: [&str; 2] = ["previous_secret_key_files", "previous_public_key_files"];

/// The systemd credential that holds one, where no file is named.
const CREDENTIAL: &str = "previous_secret_key";

/// What is wrong with the lists of one layer: too long, or a path that is empty.
pub(super) fn check(tree: &Map<String, Value>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in KEYS {
        let files = tables::get(tree, "auth", key).and_then(Value::as_array);
        let files = files.map_or(&[][..], Vec::as_slice);
        if files.len() > MOST {
            let message = format!("must be at most {MOST} files, and is {}", files.len());
            findings.push(Finding::at(&tables::path("auth", key), message));
        }
        for (index, file) in files.iter().enumerate() {
            if file.as_str() == Some("") {
                let path: [Segment; 3] = ["auth".into(), key.into(), index.into()];
                findings.push(Finding::at(&path, "the path is empty"));
            }
        }
    }
    findings
}

/// Reads the previous secret keys into their place.
///
/// # Errors
/// The files that can't be read, and keys that can be guessed.
pub(super) fn read(
    auth: &mut Auth,
    layers: &[Layer],
    environment: &Environment,
) -> Vec<ConfigError> {
    let mut errors = Vec::new();
    for (file, place) in files(auth, layers, environment) {
        let read = read_text(&file).map_err(|error| {
            unreadable("the previous secret key from", &file, &error, place.clone())
        });
        let checked = read.and_then(|secret| {
            let found = Found { secret, origin: Origin::Contents(file.clone()), place };
            secret_key::check(&found)
                .map(|()| found.secret)
                .map_err(|error| error.help(format!("it is the key from {}", file.display())))
        });
        match checked {
            Ok(secret) => auth.previous_secret_keys.push(secret),
            Err(error) => errors.push(error),
        }
    }
    errors
}

/// The files that hold previous secret keys, each with the place that names it.
fn files(auth: &Auth, layers: &[Layer], environment: &Environment) -> Vec<(PathBuf, Place)> {
    let [key, _] = KEYS;
    if auth.previous_secret_key_files.is_empty() {
        let folder = environment.get("CREDENTIALS_DIRECTORY").map(PathBuf::from);
        let file = folder.map(|folder| folder.join(CREDENTIAL)).filter(|file| file.exists());
        return file.into_iter().map(|file| (file.clone(), Place::File(file))).collect();
    }
    let files = auth.previous_secret_key_files.iter().enumerate();
    files.map(|(index, file)| (file.clone(), item_place(layers, key, index))).collect()
}

/// The PEM files that can't be read, or hold something else.
pub(super) fn pem_files(auth: &Auth, layers: &[Layer]) -> Vec<ConfigError> {
    let [_, previous] = KEYS;
    let single = |key: &'static str, file: &Option<PathBuf>| {
        let giver = layers.iter().rfind(|layer| layer.get("auth", key).is_some());
        let path = ["auth".into(), key.into()];
        let place = giver.map_or(Place::Default, |layer| layer.place(&path, Target::Value));
        file.clone().map(|file| (file, place))
    };
    let pair = [
        single("private_key_file", &auth.private_key_file),
        single("public_key_file", &auth.public_key_file),
    ];
    let others = auth.previous_public_key_files.iter().enumerate();
    let others = others.map(|(index, file)| (file.clone(), item_place(layers, previous, index)));
    let wrong = pair.into_iter().flatten().chain(others).filter_map(|(file, place)| {
        let error = secret_key::read_pem(&file).err()?;
        Some(unreadable("the key file", &file, &error, place))
    });
    wrong.collect()
}

/// Where an item of a list stands.
fn item_place(layers: &[Layer], key: &str, index: usize) -> Place {
    let giver = layers.iter().rfind(|layer| layer.get("auth", key).is_some());
    let path: [Segment; 3] = ["auth".into(), key.into(), index.into()];
    giver.map_or(Place::Default, |layer| layer.place(&path, Target::Value))
}
