//! A bounded map that forgets what was used least recently, in shards of one lock each.

use std::{
    collections::HashMap,
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash},
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The most shards.
const SHARDS: usize = 64;
/// A shard of fewer entries would forget too early when its neighbours still have room.
const LEAST_PER_SHARD: usize = 64;

/// The keys are made by the daemon, never chosen by a client: a fixed hash is safe, and makes
/// what is forgotten the same each time.
type Hasher = BuildHasherDefault<DefaultHasher>;

/// A map of at most so many entries. Each shard has two generations: an entry that is used moves
/// to the young one; once that is half of the shard, the old one is forgotten as a whole and the
/// young one takes its place.
///
/// Invariant: no more entries than asked for; the half of a shard used last is always there.
#[derive(Debug)]
pub struct Memory<K, V> {
    shards: Box<[Mutex<Shard<K, V>>]>,
    half: usize,
}

#[derive(Debug)]
struct Shard<K, V> {
    young: HashMap<K, V, Hasher>,
    old: HashMap<K, V, Hasher>,
}

impl<K: Hash + Eq, V: Default> Memory<K, V> {
    /// An empty map of at most `most` entries, at least 2. Takes memory as it fills.
    pub fn new(most: usize) -> Self {
        let shards = (most / LEAST_PER_SHARD).clamp(1, SHARDS);
        let empty = || Mutex::new(Shard { young: HashMap::default(), old: HashMap::default() });
        Self {
            shards: std::iter::repeat_with(empty).take(shards).collect(),
            half: (most / shards / 2).max(1),
        }
    }

    /// Uses the value of `key`, a default one if there is none yet.
    pub fn with<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> R {
        let mut shard = self.shard(&key);
        if let Some(value) = shard.young.get_mut(&key) {
            return f(value);
        }
        let mut value = shard.old.remove(&key).unwrap_or_default();
        let result = f(&mut value);
        shard.insert(key, value, self.half);
        result
    }

    /// Uses the value of `key` if there is one.
    pub fn existing<R>(&self, key: K, f: impl FnOnce(&mut V) -> R) -> Option<R> {
        let mut shard = self.shard(&key);
        if let Some(value) = shard.young.get_mut(&key) {
            return Some(f(value));
        }
        let mut value = shard.old.remove(&key)?;
        let result = f(&mut value);
        shard.insert(key, value, self.half);
        Some(result)
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        let place = Hasher::default().hash_one(key) % self.shards.len() as u64;
        // A poisoned shard is as good as any: every change to it is one step.
        self.shards[place as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq, V> Shard<K, V> {
    /// Makes `value` the youngest.
    fn insert(&mut self, key: K, value: V, half: usize) {
        if self.young.len() >= half {
            self.old = mem::take(&mut self.young);
        }
        self.young.insert(key, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl<K, V> Memory<K, V> {
        fn len(&self) -> usize {
            let shards = self.shards.iter().map(|shard| shard.lock().unwrap());
            shards.map(|shard| shard.young.len() + shard.old.len()).sum()
        }
    }

    #[test]
    fn the_bound_holds_and_what_is_used_stays() {
        for most in [2, 10, 100, 1000] {
            let memory = Memory::<usize, usize>::new(most);
            for n in 0..most * 20 {
                memory.with(n, |value| *value = n);
                assert!(memory.len() <= most, "{} of {most}", memory.len());
                // In use all the time.
                assert_eq!(memory.with(0, |value| mem::replace(value, 0)), 0);
                assert!(n == 0 || memory.existing(n, |value| *value) == Some(n) || most == 2);
            }
            assert!(memory.len() > most / 4, "{} of {most}", memory.len());
        }
    }

    #[test]
    fn the_least_recently_used_go_first() {
        let memory = Memory::<u32, u32>::new(4);
        for n in 1..=4 {
            memory.with(n, |value| *value = n);
        }
        assert_eq!(memory.existing(1, |value| *value), Some(1));
        memory.with(5, |value| *value = 5);
        let left: Vec<u32> = (1..=5).filter(|n| memory.existing(*n, |_| ()).is_some()).collect();
        assert!(left.contains(&1) && left.contains(&5) && !left.contains(&2), "{left:?}");
    }

    #[test]
    fn looking_makes_nothing() {
        let memory = Memory::<u32, u32>::new(4);
        assert_eq!(memory.existing(1, |value| *value), None);
        assert_eq!(memory.len(), 0);
    }
}
