//! Replaces the secret key that the embedded default keeps beside its data.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::{MetadataExt, fchown},
    path::{Path, PathBuf},
};

use super::{
    keys::KeyError,
    secret_key::{SECRET_KEY_FILE, WHAT, draft, previous_files},
};

/// What [`rotate`] did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The file of the new key.
    pub current: PathBuf,
    /// The file that the key of before is in now; `None` if it is gone.
    pub previous: Option<PathBuf>,
}

/// Makes a new key in the folder `store`. The one of before becomes the newest of the previous
/// keys, of which the oldest goes when there are too many; with `forget` it goes at once, and all
/// previous ones with it. A running daemon takes the keys up when it reloads. Reads and writes
/// files.
///
/// Invariant: whenever the keys are read meanwhile, that of before is among them, unless it is to
/// be forgotten; so is the new one, once it is current.
///
/// # Errors
/// There is no key yet, or a file cannot be made, moved or removed.
pub fn rotate(store: &Path, forget: bool) -> Result<Rotated, KeyError> {
    let current = store.join(SECRET_KEY_FILE);
    let io = |source| KeyError::Io { what: WHAT, path: current.clone(), source };
    let old = match File::open(&current) {
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            let why = "there is none yet: the daemon makes one when it starts".into();
            return Err(KeyError::File { what: WHAT, path: current, why });
        }
        opened => opened.map_err(io)?,
    };
    // One at a time.
    old.lock().map_err(io)?;
    let (draft, file) = draft(store).map_err(io)?;
    let replaced = old
        .metadata()
        .and_then(|owner| keep_owner(&file, &owner))
        .and_then(|()| if forget { Ok(()) } else { make_room(store, &current) })
        .and_then(|()| fs::rename(&draft, &current))
        .and_then(|()| if forget { remove_previous(store) } else { Ok(()) })
        .and_then(|()| File::open(store)?.sync_all());
    if let Err(error) = replaced {
        // It is gone already where the rename was done.
        let _ = fs::remove_file(&draft);
        return Err(io(error));
    }
    Ok(Rotated { current, previous: previous_files(store).next().filter(|_| !forget) })
}

/// The administrator may run this: the daemon must be able to read what comes of it.
fn keep_owner(file: &File, owner: &fs::Metadata) -> io::Result<()> {
    let made = file.metadata()?;
    if (made.uid(), made.gid()) == (owner.uid(), owner.gid()) {
        return Ok(());
    }
    fchown(file, Some(owner.uid()), Some(owner.gid()))
}

/// Moves each previous key one further, from the oldest on, and links the current one to the first
/// place.
fn make_room(store: &Path, current: &Path) -> io::Result<()> {
    let files: Vec<PathBuf> = previous_files(store).collect();
    let taken = files.iter().take_while(|file| file.exists()).count();
    let moves = files.iter().zip(files.iter().skip(1)).take(taken);
    for (from, to) in moves.rev() {
        fs::rename(from, to)?;
    }
    let Some(first) = files.first() else { return Ok(()) };
    fs::hard_link(current, first)
}

fn remove_previous(store: &Path) -> io::Result<()> {
    for file in previous_files(store) {
        match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(())
}
