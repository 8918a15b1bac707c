//! The logs that this process has open: entries and generations of one path share one writer.

use std::{
    collections::BTreeMap,
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::OwnedMutexGuard;

use crate::{
    chain::Seal,
    files::Files,
    open::{self, OpenError},
    writer::{Policy, Writer, Written},
};

/// The open logs by path, each with its lock.
///
/// Invariant: a log is in the list exactly as long as there is a [`Handle`] of it, and its lock
/// is released with its place in the list: who finds none here can have it.
static OPEN: Mutex<BTreeMap<PathBuf, (Arc<Log>, File)>> = Mutex::new(BTreeMap::new());

fn list() -> MutexGuard<'static, BTreeMap<PathBuf, (Arc<Log>, File)>> {
    // Every change of the list is one step, so a poisoned one is as good as any.
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Log {
    path: PathBuf,
    seal: Seal,
    /// Waited for without a thread: a disk that hangs holds up one thread, not one a line.
    writer: Arc<tokio::sync::Mutex<Writer>>,
}

/// A share in an open log.
pub struct Handle(Arc<Log>);

impl Handle {
    /// Opens the log at `path`, or shares it, for the entry of this name, and tells what was
    /// written for that. Blocks.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(
        path: &Path,
        seal: Seal,
        entry: &str,
        policy: &Policy,
    ) -> Result<(Self, Written), OpenError> {
        let files = Files::at(path).map_err(|error| OpenError::Io(path.to_owned(), error))?;
        let path = files.current();
        let mut list = list();
        if let Some((log, _)) = list.get(&path) {
            if log.seal.same(&seal) {
                return Ok((Self(Arc::clone(log)), Written::default()));
            }
            return Err(OpenError::OtherKey(path));
        }
        let lock = open::lock(&files)?;
        let (writer, written) = open::open(files, seal.clone(), entry, policy)?;
        let writer = Arc::new(tokio::sync::Mutex::new(writer));
        let log = Arc::new(Log { path: path.clone(), seal, writer });
        list.insert(path, (Arc::clone(&log), lock));
        Ok((Self(log), written))
    }

    /// Waits until it is one's turn to write. Keep the handle for as long as the guard.
    pub async fn writer(&self) -> OwnedMutexGuard<Writer> {
        Arc::clone(&self.0.writer).lock_owned().await
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut list = list();
        // The list's and this one. Nobody can make another: shares are made under this lock.
        if Arc::strong_count(&self.0) == 2 {
            list.remove(&self.0.path);
        }
    }
}
