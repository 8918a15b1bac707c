//! Random bytes for what must not be guessed.

use std::io;

use rand::{TryRngCore, rngs::OsRng};
use zeroize::Zeroizing;

/// `N` bytes of the system's own generator, which are erased when they are dropped.
///
/// # Errors
/// When the system has none.
pub(super) fn random<const N: usize>() -> io::Result<Zeroizing<[u8; N]>> {
    let mut bytes = Zeroizing::new([0; N]);
    OsRng.try_fill_bytes(bytes.as_mut()).map_err(io::Error::other)?;
    Ok(bytes)
}
