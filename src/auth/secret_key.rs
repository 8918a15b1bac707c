//! The secret key that the embedded default makes for itself and keeps beside its data.

use std::{
    fs::{self, DirBuilder, File, OpenOptions},
    io::{self, Read, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use zeroize::Zeroizing;

use crate::config::Secret;

use super::{
    keys::{KeyError, MIN_SECRET_BYTES},
    random::random,
};

/// The name of the file in the store's folder.
pub const SECRET_KEY_FILE: &str = "secret_key";

/// So many previous keys are kept and used.
pub(super) const MOST_PREVIOUS: usize = 8;

pub(super) const WHAT: &str = "the secret key";

/// A file larger than this is not a secret key.
const MAX_BYTES: u64 = 4096;

/// The secret key in the folder `store`; the folder and the key are made when they are missing.
/// The key is 48 random bytes in base64, readable by its owner alone. Reads and writes files:
/// not for an async thread.
///
/// Invariant: what is returned is what is on the disk, durably; of several processes that start
/// at once, all get the same key.
///
/// # Errors
/// A file or folder that cannot be read or made; a key that others can read, or that is short.
pub fn secret_key_beside(store: &Path) -> Result<Secret, KeyError> {
    let path = store.join(SECRET_KEY_FILE);
    let io = |source| KeyError::Io { what: WHAT, path: path.clone(), source };
    let file = match File::open(&path) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            make(store, &path).map_err(io)?;
            File::open(&path).map_err(io)?
        }
        opened => opened.map_err(io)?,
    };
    read(file, &path)
}

/// The previous keys in the folder `store`, the newest first, as [`rotate`](super::rotate) leaves
/// them there.
///
/// # Errors
/// As for the key itself.
pub(super) fn previous_keys_beside(store: &Path) -> Result<Vec<Secret>, KeyError> {
    let mut keys = Vec::new();
    for path in previous_files(store) {
        match File::open(&path) {
            Ok(file) => keys.push(read(file, &path)?),
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(KeyError::Io { what: WHAT, path, source }),
        }
    }
    Ok(keys)
}

/// Where previous keys are kept: `secret_key.1` is the newest.
pub(super) fn previous_files(store: &Path) -> impl DoubleEndedIterator<Item = PathBuf> {
    (1..=MOST_PREVIOUS).map(move |n| store.join(previous_name(n)))
}

fn previous_name(n: usize) -> String {
    format!("{SECRET_KEY_FILE}.{n}")
}

/// The names of all files beside the embedded store that keys are kept in, whether they are there
/// or not; the first is the current one.
pub fn secret_key_files() -> impl Iterator<Item = String> {
    std::iter::once(SECRET_KEY_FILE.to_owned()).chain((1..=MOST_PREVIOUS).map(previous_name))
}

/// The key in a file, if nobody else can read it.
fn read(file: File, path: &Path) -> Result<Secret, KeyError> {
    let io = |source| KeyError::Io { what: WHAT, path: path.to_owned(), source };
    let wrong = |why: String| KeyError::File { what: WHAT, path: path.to_owned(), why };
    let metadata = file.metadata().map_err(io)?;
    if !metadata.is_file() {
        return Err(wrong("is not a file".into()));
    }
    if metadata.permissions().mode() & 0o077 != 0 {
        return Err(wrong(format!(
            "others can read or change it; run: chmod 600 {}",
            path.display()
        )));
    }
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES).read_to_string(&mut text).map_err(io)?;
    let key = text.trim();
    if key.len() < MIN_SECRET_BYTES {
        return Err(wrong(format!(
            "has {} bytes, fewer than {MIN_SECRET_BYTES}; remove it, and the next start makes a \
             new one (tokens in use end)",
            key.len()
        )));
    }
    Ok(Secret::from(key.to_owned()))
}

/// Makes the key under another name and links it to its own, so that it is never seen half
/// written and never replaces the key of a process that was faster.
fn make(store: &Path, path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(store)?;
    let (draft, _) = draft(store)?;
    let made = fs::hard_link(&draft, path);
    let removed = fs::remove_file(&draft);
    match made {
        Ok(()) => {
            removed?;
            File::open(store)?.sync_all()?;
            tracing::info!(path = %path.display(), "made a secret key for tokens");
            Ok(())
        }
        Err(raced) if raced.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(other) => Err(other),
    }
}

/// A new key under a name of its own, durably.
pub(super) fn draft(store: &Path) -> io::Result<(PathBuf, File)> {
    let key = random::<48>()?;
    let suffix = u64::from_ne_bytes(*random()?);
    let path = store.join(format!(".{SECRET_KEY_FILE}.{suffix:016x}"));
    let file = write(&path, key.as_ref()).inspect_err(|_| {
        // It may not even be there.
        let _ = fs::remove_file(&path);
    })?;
    Ok((path, file))
}

fn write(draft: &Path, random: &[u8]) -> io::Result<File> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
    let text = Zeroizing::new(STANDARD.encode(random) + "\n");
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    Ok(file)
}
