//! The buckets of one rule, each with its owner: a bounded table that many threads use at once.

use std::{
    hash::{BuildHasher, RandomState},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use confab_plugin::UserId;

/// Whose bucket it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    /// Everybody's.
    All,
    /// A user's.
    User(UserId),
    /// A user's towards another.
    Conversation(UserId, UserId),
    /// An IPv4 address's or an IPv6 network's: see [`Who::at`].
    Address(IpAddr),
}

impl Who {
    /// Who is at `address`. IPv6 counts by the first 64 bits: a subscriber has the rest to
    /// himself (RFC 6177), and could be 2^64 others. IPv4 written as IPv6 is IPv4.
    pub fn at(address: IpAddr) -> Self {
        Who::Address(match address.to_canonical() {
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
            address => address,
        })
    }
}

/// The most buckets of one set: as many as are looked through to find one.
const WAYS: usize = 32;

/// A bounded table of buckets, made like a processor's cache: an owner's bucket is in one of
/// many small sets, which a hash chooses. The hash has a random key, so nobody can choose owners
/// (addresses, say) that share a set.
///
/// A full bucket need not be remembered: its place goes to the next owner who needs one. If no
/// place is left, a newcomer takes over the bucket that is nearest to full, *with what is missing
/// in it*. A flood of owners therefore gets nobody fresh tokens:
///
/// Invariant: no owner ever finds more tokens than in a table without bounds. For an owner who
/// lost a bucket that was not full had the one with the smallest `full_at` of his set; in a set
/// without a free place the smallest never falls, because each newcomer goes on from it; and he
/// comes back as a newcomer.
///
/// The price is that in a table too small for its load newcomers may find fewer tokens.
#[derive(Debug)]
pub struct Buckets {
    sets: Box<[Mutex<Set>]>,
    /// The most buckets of each set.
    ways: usize,
    hash: RandomState,
}

#[derive(Debug, Default)]
struct Set {
    /// Found by looking through; grows to `ways` and not beyond.
    buckets: Vec<Bucket>,
    /// The latest arrival seen. Events may get here in another order than they arrived; in a set,
    /// time never goes back.
    now: Option<Instant>,
}

#[derive(Debug)]
struct Bucket {
    who: Who,
    full_at: Instant,
}

/// An owner's bucket, locked until this is dropped or the bucket kept.
#[derive(Debug)]
pub struct Place<'a> {
    set: MutexGuard<'a, Set>,
    who: Who,
    now: Instant,
    missing: Duration,
    at: At,
}

/// Where an owner's bucket is, or will be.
#[derive(Clone, Copy, Debug)]
enum At {
    Own(usize),
    New,
    /// In place of a full one.
    Reused(usize),
    /// In place of one that was not full.
    TakenOver(usize),
}

/// What keeping a bucket changed in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: it was there, or is where a full one was.
    InPlace,
    /// The table has one bucket more.
    Added,
    /// Another owner lost a bucket that was not full.
    Evicted,
}

impl Buckets {
    /// A table of at most `max` buckets, and at least one.
    pub fn new(max: usize) -> Self {
        let max = max.max(1);
        let sets = max.div_ceil(WAYS);
        let ways = max / sets;
        let sets = (0..sets).map(|_| Mutex::default()).collect();
        Self { sets, ways, hash: RandomState::new() }
    }

    /// How many buckets are in memory; of these some may be full.
    pub fn len(&self) -> usize {
        self.sets.iter().map(|set| lock(set).buckets.len()).sum()
    }

    /// The bucket of `who`, at the time `arrived` or later, locked. Others who share the set
    /// wait: keep it short, and never across an await.
    pub fn place(&self, who: Who, arrived: Instant) -> Place<'_> {
        let set = match self.sets.len() {
            1 => 0,
            sets => usize::try_from(self.hash.hash_one(who) % sets as u64).unwrap_or(0),
        };
        // There is at least one set, and `set` is a remainder of the division by their number.
        let mut set = lock(&self.sets[set]);
        let now = set.now.map_or(arrived, |now| now.max(arrived));
        set.now = Some(now);
        let (full_at, at) = set.find(who, now, self.ways);
        Place { set, who, now, missing: full_at.saturating_duration_since(now), at }
    }
}

/// A poisoned set is as good as any: what is written to it is one bucket, last of all.
fn lock(set: &Mutex<Set>) -> MutexGuard<'_, Set> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Set {
    fn find(&self, who: Who, now: Instant, ways: usize) -> (Instant, At) {
        let mut fullest: Option<(Instant, usize)> = None;
        for (place, bucket) in self.buckets.iter().enumerate() {
            if bucket.who == who {
                return (bucket.full_at, At::Own(place));
            }
            if fullest.is_none_or(|(full_at, _)| bucket.full_at < full_at) {
                fullest = Some((bucket.full_at, place));
            }
        }
        match fullest {
            Some((full_at, place)) if full_at <= now => (now, At::Reused(place)),
            Some((full_at, place)) if self.buckets.len() >= ways => (full_at, At::TakenOver(place)),
            _ => (now, At::New),
        }
    }
}

impl Place<'_> {
    /// After how long the bucket is full.
    pub fn missing(&self) -> Duration {
        self.missing
    }

    /// Remembers that the bucket is full after `missing`, and unlocks it.
    pub fn keep(mut self, missing: Duration) -> Kept {
        let bucket = Bucket { who: self.who, full_at: self.now + missing };
        let (place, kept) = match self.at {
            At::New => {
                self.set.buckets.push(bucket);
                return Kept::Added;
            }
            At::Own(place) | At::Reused(place) => (place, Kept::InPlace),
            At::TakenOver(place) => (place, Kept::Evicted),
        };
        if let Some(old) = self.set.buckets.get_mut(place) {
            *old = bucket;
        }
        kept
    }
}
