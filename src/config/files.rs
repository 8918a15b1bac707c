//! Which files are configuration files, and reading them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    document::{Document, Finding, Parsed},
    environment::Environment,
    error::{ConfigError, Place, Warning, unreadable},
    layers::{Giver, Layer},
    source::{MAX_FILE, Source, read_bounded},
    variables::CONFIG_FILE,
};

/// The folder beside the configuration file whose files add to it.
const FOLDER: &str = "conf.d";

/// The files that were found, and what they give.
#[derive(Default)]
pub(super) struct Files {
    /// The files, in the order in which they are read.
    pub paths: Vec<PathBuf>,
    pub layers: Vec<(Layer, Vec<Finding>)>,
    pub errors: Vec<ConfigError>,
    pub warnings: Vec<Warning>,
}

impl Files {
    /// Reads the configuration file, if there is one, and those of its `conf.d`. The layers get
    /// the ranks from `rank` on.
    pub fn read(environment: &Environment, flag: Option<&Path>, rank: usize) -> Self {
        let mut files = Self::default();
        let Some((path, place)) = files.find(environment, flag) else {
            return files;
        };
        if !files.read_one(path.clone(), place, rank) {
            return files;
        }
        let folder = path.parent().unwrap_or(Path::new("")).join(FOLDER);
        match list(&folder) {
            Ok(paths) => {
                for (number, path) in paths.into_iter().enumerate() {
                    files.read_one(path, None, rank + 1 + number);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let place = Place::File(folder.clone());
                files.errors.push(unreadable("the folder", &folder, &error, place));
            }
        }
        files
    }

    /// The file, and who named it.
    fn find(
        &mut self,
        environment: &Environment,
        flag: Option<&Path>,
    ) -> Option<(PathBuf, Option<Place>)> {
        if let Some(path) = flag {
            return Some((path.to_owned(), Some(Place::Flag("--config"))));
        }
        if let Some(path) = environment.get(CONFIG_FILE) {
            let place = Place::Variable(CONFIG_FILE.to_owned());
            if path.is_empty() {
                let message = format!("{CONFIG_FILE} is set, but names no file");
                self.errors.push(ConfigError::new(message, place));
                return None;
            }
            return Some((path.into(), Some(place)));
        }
        let path = environment.default_file();
        // A link that leads nowhere is meant to be a file: reading it will say so.
        if path.symlink_metadata().is_ok() {
            return Some((path.to_owned(), None));
        }
        let folder = path.parent().unwrap_or(Path::new("")).join(FOLDER);
        if list(&folder).is_ok_and(|paths| !paths.is_empty()) {
            let message = format!("its files are not read, because {} is missing", path.display());
            self.warnings.push(Warning(ConfigError::new(message, Place::File(folder))));
        }
        None
    }

    /// Whether there was something to read, be it right or wrong.
    fn read_one(&mut self, path: PathBuf, named_by: Option<Place>, rank: usize) -> bool {
        self.paths.push(path.clone());
        match read_document(path, "the configuration file", named_by) {
            Ok(Parsed { document, tree, wrong }) => {
                let giver = Giver::File(document);
                self.layers.push((Layer { giver, rank, tree }, wrong));
                true
            }
            Err(Unread::NoFile(error)) => {
                self.errors.push(error);
                false
            }
            Err(Unread::NotToml(errors)) => {
                self.errors.extend(errors);
                true
            }
        }
    }
}

/// Why a file gives nothing.
pub(super) enum Unread {
    /// There is nothing to read.
    NoFile(ConfigError),
    /// What is there is not TOML.
    NotToml(Vec<ConfigError>),
}

/// Reads a TOML file; `what` it is, and where it was named, if not by itself.
pub(super) fn read_document(
    path: PathBuf,
    what: &str,
    named_by: Option<Place>,
) -> Result<Parsed, Unread> {
    let bytes = read_bounded(&path, MAX_FILE).map_err(|error| {
        let place = named_by.unwrap_or(Place::File(path.clone()));
        Unread::NoFile(unreadable(what, &path, &error, place))
    })?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes().get(..good).unwrap_or_default());
        let (line, column) = Source::new(path.clone(), &text).position(good);
        let place = Place::Position(path.clone(), line, column);
        Unread::NotToml(vec![ConfigError::new("the file is not UTF-8 here", place)])
    })?;
    Document::parse(Source::new(path, &text)).map_err(Unread::NotToml)
}

/// The `*.toml` files of a folder by name; hidden ones are left out.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.extension().is_some_and(|end| end == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}
