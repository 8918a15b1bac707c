//! Where a secret comes from: its key, a file that another key names, or a systemd credential.

use std::{
    io,
    path::{Path, PathBuf},
};

use super::{
    document::{Finding, Target},
    environment::Environment,
    error::{ConfigError, Place, unreadable},
    layers::{Layer, Origin},
    secret::Secret,
    source::read_bounded,
    tables,
};

/// The largest file of a secret: 64 KiB.
pub(super) const MAX_FILE: u64 = 64 * 1024;

/// A secret that the configuration takes.
pub(super) struct Kind {
    /// Its table.
    pub table: &'static str,
    /// The key that holds it.
    pub key: &'static str,
    /// The key that names a file which holds it.
    pub file: &'static str,
    /// The systemd credential that holds it.
    pub credential: &'static str,
    /// What it is, for messages.
    pub name: &'static str,
}

/// A secret, and where it came from.
pub(super) struct Found {
    pub secret: Secret,
    pub origin: Origin,
    pub place: Place,
}

/// What the layers say of it.
pub(super) enum Choice<'a> {
    Key(&'a Layer),
    File(&'a Layer),
    Nothing,
}

impl Kind {
    /// Its full name: `auth.secret_key`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.table, self.key)
    }

    /// The last layer that gives the secret, or a file that holds it.
    ///
    /// # Errors
    /// Layers of which none wins give both.
    pub fn choose<'a>(&self, layers: &'a [Layer]) -> Result<Choice<'a>, ConfigError> {
        let giver = |key| layers.iter().rev().find(|layer| layer.get(self.table, key).is_some());
        Ok(match (giver(self.key), giver(self.file)) {
            (Some(key), Some(file)) if key.rank == file.rank => {
                let Self { table, file: file_key, .. } = self;
                let name = self.full_name();
                let message = format!("both {name} and {table}.{file_key} are given here");
                let finding = Finding::at(&tables::path(table, file_key), message).key();
                return Err(file.error(&finding.help("keep one of the two")));
            }
            (Some(key), Some(file)) if key.rank < file.rank => Choice::File(file),
            (None, Some(file)) => Choice::File(file),
            (Some(key), _) => Choice::Key(key),
            (None, None) => Choice::Nothing,
        })
    }

    /// Reads the secret from where the layers say, or from the systemd credential. Of `key` and
    /// `file`, the values of its two keys, one then says what holds; without `read`, files are
    /// left alone.
    pub fn resolve(
        &self,
        (key, file): (&mut Option<Secret>, &mut Option<PathBuf>),
        choice: &Choice<'_>,
        environment: &Environment,
        read: bool,
    ) -> Result<Option<Found>, ConfigError> {
        match choice {
            Choice::Key(layer) => {
                *file = None;
                let path = tables::path(self.table, self.key);
                Ok(key.clone().map(|secret| Found {
                    secret,
                    origin: layer.origin(&path),
                    place: layer.place(&path, Target::Value),
                }))
            }
            Choice::File(layer) => {
                *key = None;
                let path = tables::path(self.table, self.file);
                let place = layer.place(&path, Target::Value);
                let Some(file) = file.clone().filter(|_| read) else {
                    return Ok(None);
                };
                let origin = Origin::Contents(file.clone());
                self.found(&file, origin, place).map(Some)
            }
            Choice::Nothing => {
                let file = self.credential_file(environment).filter(|_| read);
                match file.filter(|file| file.exists()) {
                    Some(file) => {
                        let place = Place::File(file.clone());
                        self.found(&file, Origin::Credential(self.credential), place).map(Some)
                    }
                    None => Ok(None),
                }
            }
        }
    }

    /// Where the secret is given.
    pub fn place(&self, layers: &[Layer], environment: &Environment) -> Place {
        let place = |layer: &Layer, key| layer.place(&tables::path(self.table, key), Target::Value);
        match self.choose(layers) {
            Ok(Choice::Key(layer)) => place(layer, self.key),
            Ok(Choice::File(layer)) => place(layer, self.file),
            Ok(Choice::Nothing) | Err(_) => {
                self.credential_file(environment).map_or(Place::Default, Place::File)
            }
        }
    }

    fn credential_file(&self, environment: &Environment) -> Option<PathBuf> {
        let folder = environment.get("CREDENTIALS_DIRECTORY")?;
        Some(Path::new(folder).join(self.credential))
    }

    fn found(&self, file: &Path, origin: Origin, place: Place) -> Result<Found, ConfigError> {
        match read_text(file) {
            Ok(secret) => Ok(Found { secret, origin, place }),
            Err(error) => {
                let what = format!("the {} from", self.name);
                Err(unreadable(&what, file, &error, place))
            }
        }
    }
}

pub(super) fn read_text(file: &Path) -> io::Result<Secret> {
    let bytes = read_bounded(file, MAX_FILE)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| io::Error::other("it is not text: encode it, in base64 for instance"))?;
    let text = text.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(Secret::from(text.to_owned()))
}
