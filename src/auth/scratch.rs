//! The memory that password hashes are computed in, kept for the next one.

use std::{
    collections::TryReserveError,
    sync::{Mutex, PoisonError},
};

use argon2::Block;

/// Buffers of argon2, each used by one hash at a time.
///
/// Given back to the allocator, such a buffer would stay resident all the same, in the arena of
/// whichever thread freed it: with glibc, memory grew with each new arena up to eight for a core.
///
/// Invariant: there are never more buffers than hashes were computed at the same time, and none
/// that is kept is larger than `largest`.
pub(super) struct Scratch {
    kept: Mutex<Vec<Vec<Block>>>,
    largest: usize,
}

impl Scratch {
    /// Keeps buffers of at most `largest` blocks of 1 KiB. Allocates nothing.
    pub fn new(largest: usize) -> Self {
        Self { kept: Mutex::default(), largest }
    }

    /// Does `work` with so many blocks, whose content is arbitrary.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn with<T>(
        &self,
        blocks: usize,
        work: impl FnOnce(&mut [Block]) -> T,
    ) -> Result<T, TryReserveError> {
        let mut buffer = self.kept().pop().unwrap_or_default();
        if buffer.len() < blocks {
            // Not copied: what is in it has no meaning.
            buffer = Vec::new();
            buffer.try_reserve_exact(blocks)?;
            buffer.resize(blocks, Block::new());
        }
        let result = work(buffer.get_mut(..blocks).unwrap_or_default());
        if buffer.len() <= self.largest {
            self.kept().push(buffer);
        }
        Ok(result)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(scratch: &Scratch) -> Vec<usize> {
        scratch.kept().iter().map(Vec::len).collect()
    }

    #[test]
    fn a_buffer_serves_one_hash_after_the_other() {
        let scratch = Scratch::new(16);
        let first = scratch.with(16, |blocks| (blocks.as_ptr() as usize, blocks.len())).unwrap();
        let second = scratch.with(8, |blocks| (blocks.as_ptr() as usize, blocks.len())).unwrap();
        assert_eq!((first.1, second), (16, (first.0, 8)));
        assert_eq!(sizes(&scratch), [16]);
    }

    #[test]
    fn hashes_at_the_same_time_have_a_buffer_each() {
        let scratch = Scratch::new(4);
        scratch.with(4, |_| scratch.with(2, |_| ()).unwrap()).unwrap();
        assert_eq!(sizes(&scratch), [2, 4]);
        scratch.with(3, |_| ()).unwrap();
        assert_eq!(sizes(&scratch), [2, 4], "the last that was used is taken first");
    }

    #[test]
    fn what_is_larger_than_usual_is_not_kept() {
        let scratch = Scratch::new(4);
        scratch.with(5, |blocks| assert_eq!(blocks.len(), 5)).unwrap();
        assert!(sizes(&scratch).is_empty());
        scratch.with(usize::MAX, |_| ()).unwrap_err();
        scratch.with(4, |_| ()).unwrap();
        assert_eq!(sizes(&scratch), [4]);
    }
}
