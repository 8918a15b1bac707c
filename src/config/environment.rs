//! The process's environment as the configuration sees it: given, never reached for, so that
//! tests need not touch it.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    fmt,
    path::{Path, PathBuf},
};

/// The file that is read when no other is named and this one exists.
pub const DEFAULT_FILE: &str = "/etc/confab/confab.toml";

/// The variables of the environment, and where the default file is.
#[derive(Clone)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
    default_file: PathBuf,
}

impl Environment {
    /// The environment of this process.
    pub fn of_process() -> Self {
        Self::new(std::env::vars_os(), DEFAULT_FILE)
    }

    /// An environment with these variables, whose default file is `default_file`.
    pub fn new<K: AsRef<OsStr>, V: Into<OsString>>(
        variables: impl IntoIterator<Item = (K, V)>,
        default_file: impl Into<PathBuf>,
    ) -> Self {
        let named =
            |(name, value): (K, V)| Some((name.as_ref().to_str()?.to_owned(), value.into()));
        Self {
            variables: variables.into_iter().filter_map(named).collect(),
            default_file: default_file.into(),
        }
    }

    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str)
    }

    /// The variables that begin with `prefix`, by name.
    pub fn starting_with(&self, prefix: &'static str) -> impl Iterator<Item = (&str, &OsStr)> {
        self.variables
            .range(prefix.to_owned()..)
            .take_while(move |(name, _)| name.starts_with(prefix))
            .map(|(name, value)| (name.as_str(), value.as_os_str()))
    }

    /// The file that is read when no other is named and this one exists.
    pub fn default_file(&self) -> &Path {
        &self.default_file
    }
}

/// Only the names: values may be secret.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}
