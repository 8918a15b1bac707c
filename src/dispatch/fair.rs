//! A bounded queue in lanes that is fair to senders: what waits is kept by sender, and taken in
//! turn.

use std::{
    collections::{HashMap, VecDeque},
    hash::Hash,
};

/// The end of a list.
const NONE: u32 = u32::MAX;

/// Slots that are kept when nothing waits any more.
const KEPT: usize = 1024;

/// A number of items, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// How many.
    pub count: usize,
    /// How large, as far as their sizes differ.
    pub bytes: usize,
}

impl Amount {
    fn plus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_add(other.count),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    fn minus(self, other: Self) -> Self {
        Self {
            count: self.count.saturating_sub(other.count),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    fn within(self, bound: Self) -> bool {
        self.count <= bound.count && self.bytes <= bound.bytes
    }
}

/// How much is taken at once. One item may always be taken, whatever its size.
#[derive(Clone, Copy, Debug)]
pub struct Portions {
    /// In all.
    pub batch: Amount,
    /// Of one sender, when others send as well: who comes next waits for it.
    pub share: Amount,
    /// Of one sender, when nobody else sent anything for so many batches.
    pub alone: Amount,
    /// So many.
    pub memory: u64,
}

/// What waits, and what was taken and is not yet done with.
///
/// Invariants:
/// - What one sender pushed into a lane is taken in that order.
/// - Between two turns of a sender in a lane, every other that waits there has one.
/// - What is held, waiting or taken, stays within the bounds; and a sender gets no more than is
///   left free. So one alone holds at most half, two a third each, and whoever holds little still
///   finds room (the dynamic threshold of Choudhury and Hahne, for shared buffers of switches).
pub struct FairQueue<K, T> {
    slots: Vec<Slot<T>>,
    /// The first of the slots that are not in use.
    unused: u32,
    in_use: usize,
    lanes: Box<[Turns<K>]>,
    senders: HashMap<K, Amount>,
    held: Amount,
    bounds: Amount,
    portions: Portions,
    /// How many batches were taken.
    batches: u64,
    /// Who sent last, and after how many batches it was another.
    last: Option<K>,
    mixed: Option<u64>,
}

struct Slot<T> {
    item: Option<T>,
    amount: Amount,
    /// How many batches had been taken before it came.
    since: u64,
    next: u32,
}

/// One lane.
struct Turns<K> {
    lists: HashMap<K, List>,
    /// Those with a list, in the order of their turns.
    ring: VecDeque<K>,
}

/// What waits of one sender in one lane.
#[derive(Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

impl<K: Copy + Eq + Hash, T> FairQueue<K, T> {
    /// An empty queue with so many lanes, that holds at most `bounds`.
    pub fn new(lanes: usize, bounds: Amount, portions: Portions) -> Self {
        let turns = || Turns { lists: HashMap::new(), ring: VecDeque::new() };
        Self {
            slots: Vec::new(),
            unused: NONE,
            in_use: 0,
            lanes: (0..lanes).map(|_| turns()).collect(),
            senders: HashMap::new(),
            held: Amount::default(),
            bounds,
            portions,
            batches: 0,
            last: None,
            mixed: None,
        }
    }

    /// What is held in all.
    pub fn held(&self) -> Amount {
        self.held
    }

    /// Whether nothing waits in any lane.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.in_use == 0
    }

    /// Adds an item of a sender to a lane.
    ///
    /// # Errors
    /// Gives it back when the sender, or all together, hold too much.
    pub fn push(&mut self, lane: usize, sender: K, bytes: usize, item: T) -> Result<(), T> {
        let one = Amount { count: 1, bytes };
        let own = self.senders.entry(sender).or_default();
        let free = self.bounds.minus(self.held);
        if self.held.count > 0 && !own.plus(one).within(free) {
            if own.count == 0 {
                self.senders.remove(&sender);
            }
            return Err(item);
        }
        *own = own.plus(one);
        let last = self.last.replace(sender);
        if last.is_some_and(|last| last != sender) {
            self.mixed = Some(self.batches);
        }
        self.held = self.held.plus(one);
        self.append(lane, sender, one, item);
        Ok(())
    }

    /// Adds a mark behind all that waits in a lane now, of every sender, and one of `sender`, who
    /// sends nothing else. Marks count for nothing.
    pub fn mark(&mut self, lane: usize, sender: K, mut make: impl FnMut() -> T) {
        let Some(turns) = self.lanes.get(lane) else { return };
        let waiting: Vec<K> = turns.ring.iter().copied().filter(|key| *key != sender).collect();
        for key in waiting.into_iter().chain([sender]) {
            self.append(lane, key, Amount::default(), make());
        }
    }

    fn append(&mut self, lane: usize, sender: K, amount: Amount, item: T) {
        let slot = Slot { item: Some(item), amount, since: self.batches, next: NONE };
        let place = match self.slots.get_mut(self.unused as usize) {
            Some(unused) => {
                let place = self.unused;
                self.unused = unused.next;
                *unused = slot;
                place
            }
            None => {
                self.slots.push(slot);
                (self.slots.len() - 1) as u32
            }
        };
        self.in_use += 1;
        let turns = &mut self.lanes[lane];
        match turns.lists.get_mut(&sender) {
            Some(list) => {
                self.slots[list.last as usize].next = place;
                list.last = place;
            }
            None => {
                turns.lists.insert(sender, List { first: place, last: place });
                turns.ring.push_back(sender);
            }
        }
    }

    /// Takes a batch from a lane: every sender's turn comes once, until the batch is full. Says
    /// whose items it took, for [`release`](Self::release).
    pub fn take(&mut self, lane: usize, items: &mut Vec<T>) -> Vec<(K, Amount)> {
        let Portions { batch, share, alone, memory } = self.portions;
        let among_others = self.mixed.is_some_and(|since| self.batches - since < memory);
        let mut share = if among_others { share } else { alone };
        let Some(turns) = self.lanes.get_mut(lane) else { return Vec::new() };
        let senders = turns.ring.len();
        // A little of everybody rather than much of a few.
        share.count = (batch.count / senders.max(1)).clamp(1, share.count.max(1));
        let (mut total, mut shares) = (Amount::default(), Vec::with_capacity(senders.min(64)));
        for _ in 0..senders {
            let Some(sender) = turns.ring.pop_front() else { break };
            let Some(list) = turns.lists.get_mut(&sender) else { continue };
            let (mut own, mut full) = (Amount::default(), false);
            while let Some(slot) = self.slots.get_mut(list.first as usize) {
                full = total.count > 0 && !total.plus(slot.amount).within(batch);
                if full || (own.count > 0 && !own.plus(slot.amount).within(share)) {
                    break;
                }
                own = own.plus(slot.amount);
                total = total.plus(slot.amount);
                items.extend(slot.item.take());
                let place = std::mem::replace(&mut list.first, slot.next);
                slot.next = std::mem::replace(&mut self.unused, place);
                self.in_use -= 1;
            }
            match (list.first == NONE, own.count) {
                (true, _) => drop(turns.lists.remove(&sender)),
                (false, 0) => turns.ring.push_front(sender),
                (false, _) => turns.ring.push_back(sender),
            }
            if own.count > 0 {
                shares.push((sender, own));
            }
            if full {
                break;
            }
        }
        self.batches += u64::from(total.count > 0);
        shares
    }

    /// How many batches were taken.
    pub fn batches(&self) -> u64 {
        self.batches
    }

    /// Takes what came to a lane before so many batches had been taken, however much that is. Says
    /// whose it took.
    pub fn take_older(
        &mut self,
        lane: usize,
        batches: u64,
        items: &mut Vec<T>,
    ) -> Vec<(K, Amount)> {
        let Some(turns) = self.lanes.get_mut(lane) else { return Vec::new() };
        let mut shares = Vec::new();
        turns.ring.retain(|sender| {
            let Some(list) = turns.lists.get_mut(sender) else { return false };
            let mut own = Amount::default();
            while let Some(slot) = self.slots.get_mut(list.first as usize) {
                if slot.since >= batches {
                    break;
                }
                own = own.plus(slot.amount);
                items.extend(slot.item.take());
                let place = std::mem::replace(&mut list.first, slot.next);
                slot.next = std::mem::replace(&mut self.unused, place);
                self.in_use -= 1;
            }
            if own.count > 0 {
                shares.push((*sender, own));
            }
            let waits = list.first != NONE;
            if !waits {
                turns.lists.remove(sender);
            }
            waits
        });
        shares
    }

    /// Notes that what was taken is done with.
    pub fn release(&mut self, shares: &[(K, Amount)]) {
        for (sender, amount) in shares {
            self.held = self.held.minus(*amount);
            if let Some(own) = self.senders.get_mut(sender) {
                *own = own.minus(*amount);
                if own.count == 0 {
                    self.senders.remove(sender);
                }
            }
        }
        // What a flood took is given back once it is over.
        if self.in_use == 0 && self.slots.len() > KEPT {
            (self.slots, self.unused) = (Vec::new(), NONE);
            self.senders.shrink_to(KEPT);
            for turns in &mut self.lanes {
                turns.lists.shrink_to(KEPT);
                turns.ring.shrink_to(KEPT);
            }
        }
    }
}

#[cfg(test)]
#[path = "fair_tests.rs"]
mod tests;
