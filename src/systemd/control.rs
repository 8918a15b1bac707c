//! The control socket: the admin calls at a place that no configuration can move, so that a
//! reload can be asked for also when the configuration is wrong.

use std::{
    env, fs, io,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    path::{Path, PathBuf},
};

/// The socket's name in the service's runtime folder.
const NAME: &str = "control.sock";

/// Where the service of this name keeps it: for a shell, which is not told.
pub const USUAL: &str = "/run/confab/control.sock";

/// Where it is by the variable `RUNTIME_DIRECTORY`, which systemd sets for all programs of a
/// service; none without.
pub fn path() -> Option<PathBuf> {
    let folders = env::var_os("RUNTIME_DIRECTORY")?;
    // Several are joined by colons.
    let first = folders.to_str()?.split(':').next()?;
    (!first.is_empty()).then(|| Path::new(first).join(NAME))
}

/// Listens there. Only the daemon's own user, and root, may connect.
///
/// # Errors
/// The system's own.
pub fn listen(path: &Path) -> io::Result<UnixListener> {
    // What a daemon left that was killed; whoever may write to this folder is trusted.
    if fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket()) {
        fs::remove_file(path)?;
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
