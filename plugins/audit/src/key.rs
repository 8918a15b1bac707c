//! The key of a log's hashes, from its file.

use std::{fs::File, io::Read as _, os::unix::fs::PermissionsExt as _, path::Path};

/// The fewest bytes of a key: as many as SHA-256 gives.
const MIN_BYTES: usize = 32;

/// A file larger than this is not a key.
const MAX_BYTES: u64 = 4096;

/// The key in the file: its bytes without the line's end. Blocks.
///
/// # Errors
/// One line: what is wrong, where, and what to do.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    let named = |why: String| format!("cannot use the key file {}: {why}", path.display());
    let io = |error: std::io::Error| named(error.to_string());
    let file = File::open(path).map_err(io)?;
    let found = file.metadata().map_err(io)?;
    if !found.is_file() {
        return Err(named("it is not a plain file".into()));
    }
    if found.permissions().mode() & 0o007 != 0 {
        return Err(named(format!(
            "everybody can read or change it; run: chmod 600 {}",
            path.display()
        )));
    }
    let mut key = Vec::new();
    file.take(MAX_BYTES + 1).read_to_end(&mut key).map_err(io)?;
    if key.len() as u64 > MAX_BYTES {
        return Err(named(format!("it has more than {MAX_BYTES} bytes")));
    }
    while key.last().is_some_and(|byte| matches!(byte, b'\n' | b'\r')) {
        key.pop();
    }
    if key.len() < MIN_BYTES {
        return Err(named(format!(
            "it has {} bytes, fewer than {MIN_BYTES}; make one: openssl rand -hex 32",
            key.len()
        )));
    }
    Ok(key)
}
