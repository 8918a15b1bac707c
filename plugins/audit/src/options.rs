//! What operators write in `[plugins.options]`, and what is wrong with it.

use std::path::PathBuf;

use confab_plugin::{ByteSize, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The smallest file that is worth a rotation.
const MIN_SIZE: ByteSize = ByteSize::kib(1);

/// The options of the audit log.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The file. Its folder is made if it is missing. A relative path begins at the daemon's
    /// working directory.
    #[schemars(length(min = 1))]
    pub path: PathBuf,
    /// Keep the content of messages, not only its length. Others will read it: think before you
    /// do.
    pub content: bool,
    /// Keep the clients' addresses.
    pub address: bool,
    /// A file that holds a key, 32 bytes or more: each line's hash is then an HMAC-SHA256 that
    /// nobody can make without the key.
    #[schemars(length(min = 1))]
    pub key_file: Option<PathBuf>,
    /// A file that would grow beyond this is put aside, and a new one begun. At least 1KiB.
    pub max_size: ByteSize,
    /// How many files that were put aside are kept; the oldest are removed. 0 keeps all.
    pub keep: u32,
    /// When lines are forced to the disk: always, after each line; batch, when no more wait, or
    /// after 256 lines; never, when the system finds the time.
    pub sync: Sync,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            path: "audit/audit.jsonl".into(),
            content: false,
            address: true,
            key_file: None,
            max_size: ByteSize::mib(100),
            keep: 0,
            sync: Sync::Batch,
        }
    }
}

/// When lines are forced to the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Sync {
    /// After each line.
    Always,
    /// When no more lines wait, or after 256.
    Batch,
    /// When the system finds the time, and at the end.
    Never,
}

impl Sync {
    /// The most lines that `Batch` leaves to one sync.
    pub const BATCH: u32 = 256;

    /// Whether it is time, when `unsynced` lines are not yet on the disk and `last` says that no
    /// more wait.
    pub fn is_due(self, unsynced: u32, last: bool) -> bool {
        match self {
            Sync::Always => unsynced > 0,
            Sync::Batch => unsynced > 0 && (last || unsynced >= Self::BATCH),
            Sync::Never => false,
        }
    }
}

impl Options {
    /// Checks what can be checked without a look at the disk.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut wrong = |key, message: String| problems.push(Problem::at(key, message));
        let folder = |path: &PathBuf| path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if self.path.file_name().is_none() || folder(&self.path) {
            wrong("path", "name a file, such as \"audit/audit.jsonl\"".into());
        }
        if let Some(key) = &self.key_file {
            if key.file_name().is_none() || folder(key) {
                wrong("key_file", "name a file".into());
            } else if *key == self.path {
                wrong("key_file", "the key cannot be in the log itself".into());
            }
        }
        if self.max_size < MIN_SIZE {
            wrong("max_size", format!("give at least {MIN_SIZE}"));
        }
        if problems.is_empty() { Ok(self) } else { Err(problems) }
    }
}
