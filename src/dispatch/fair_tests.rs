//! Turns, bounds, and that the counts add up.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

const fn amount(count: usize, bytes: usize) -> Amount {
    Amount { count, bytes }
}

const PORTIONS: Portions =
    Portions { batch: amount(8, 800), share: amount(4, 400), alone: amount(6, 600), memory: 10 };

fn queue(count: usize, bytes: usize) -> FairQueue<u32, u32> {
    FairQueue::new(2, amount(count, bytes), PORTIONS)
}

fn take(queue: &mut FairQueue<u32, u32>, lane: usize) -> Vec<u32> {
    let mut items = Vec::new();
    let shares = queue.take(lane, &mut items);
    queue.release(&shares);
    items
}

#[test]
fn whoever_comes_after_a_flood_goes_into_the_next_batch() {
    let mut queue = queue(1000, 100_000);
    for n in 0..400 {
        queue.push(0, 1, 10, n).unwrap();
    }
    assert_eq!(take(&mut queue, 0), [0, 1, 2, 3, 4, 5], "a part, though nobody else waits");
    queue.push(0, 2, 10, 1000).unwrap();
    assert_eq!(take(&mut queue, 0), [6, 7, 8, 9, 1000]);
    for _ in 0..9 {
        assert_eq!(take(&mut queue, 0).len(), 4, "others have sent of late");
    }
    assert_eq!(take(&mut queue, 0).len(), 6);
    assert_eq!(take(&mut queue, 1), [] as [u32; 0], "the other lane has nothing");
}

#[test]
fn many_senders_get_a_little_each_and_the_ring_goes_on_where_it_stopped() {
    let mut queue = queue(1000, 100_000);
    for sender in 0..12 {
        for n in 0..2 {
            queue.push(0, sender, 10, sender * 10 + n).unwrap();
        }
    }
    assert_eq!(take(&mut queue, 0), [0, 10, 20, 30, 40, 50, 60, 70]);
    assert_eq!(take(&mut queue, 0), [80, 90, 100, 110, 1, 11, 21, 31]);
}

#[test]
fn large_items_count_by_their_bytes_and_one_always_goes() {
    let mut queue = queue(1000, 100_000);
    for (n, bytes) in [5000, 300, 200, 100].into_iter().enumerate() {
        queue.push(0, 1, bytes, n as u32).unwrap();
    }
    queue.push(0, 2, 100, 20).unwrap();
    assert_eq!(take(&mut queue, 0), [0], "it fills the batch alone");
    assert_eq!(take(&mut queue, 0), [20, 1], "300 and 200 are more than a share");
    assert_eq!(take(&mut queue, 0), [2, 3]);
    assert!(queue.is_empty());
}

#[test]
fn one_sender_gets_half_and_another_still_finds_room() {
    for (mut queue, bytes) in [(queue(100, 100_000), 1), (queue(100_000, 100), 1)] {
        let pushed = |queue: &mut FairQueue<u32, u32>, sender| {
            (0..1000).take_while(|n| queue.push(0, sender, bytes, *n).is_ok()).count()
        };
        assert_eq!(pushed(&mut queue, 1), 50);
        assert_eq!(pushed(&mut queue, 2), 25, "what was free, in two");
        assert_eq!(pushed(&mut queue, 1), 0);
        assert!(pushed(&mut queue, 3) > 10);
    }
}

#[test]
fn what_is_taken_counts_until_it_is_released() {
    let mut queue = queue(4, 1000);
    queue.push(0, 1, 10, 1).unwrap();
    queue.push(0, 1, 10, 2).unwrap();
    let mut items = Vec::new();
    let shares = queue.take(0, &mut items);
    assert_eq!((queue.held(), items.len()), (amount(2, 20), 2));
    assert_eq!(queue.push(0, 1, 10, 3), Err(3));
    queue.release(&shares);
    assert_eq!(queue.held(), Amount::default());
    assert!(queue.senders.is_empty());
    queue.push(0, 1, 5000, 3).expect("one may be larger than the bound");
    assert_eq!(queue.push(0, 2, 1, 4), Err(4));
}

#[test]
fn marks_come_behind_all_that_waits_and_no_later() {
    let mut queue = queue(1000, 100_000);
    for n in 0..5 {
        queue.push(0, 1, 10, n).unwrap();
        queue.push(0, 2, 10, 10 + n).unwrap();
    }
    queue.mark(0, 0, || 99);
    queue.push(0, 1, 10, 5).unwrap();
    assert_eq!(take(&mut queue, 0), [0, 1, 10, 11, 99], "nobody's own comes at once");
    let mut rest = Vec::new();
    while !queue.is_empty() {
        rest.extend(take(&mut queue, 0));
    }
    assert_eq!(rest, [2, 3, 4, 99, 5, 12, 13, 14, 99]);
}

#[test]
fn what_is_older_than_a_batch_is_taken_in_whole() {
    let mut queue = queue(1000, 100_000);
    for n in 0..20 {
        queue.push(0, 1, 10, n).unwrap();
        queue.push(0, 2, 10, 100 + n).unwrap();
    }
    let mut items = Vec::new();
    let mut shares = queue.take(0, &mut items);
    queue.push(0, 1, 10, 20).unwrap();
    queue.push(0, 3, 10, 200).unwrap();
    let batches = queue.batches();
    shares.extend(queue.take_older(0, batches, &mut items));
    assert_eq!(items.len(), 40);
    assert_eq!(queue.held(), amount(42, 420));
    queue.release(&shares);
    assert_eq!(queue.held(), amount(2, 20));
    assert_eq!(take(&mut queue, 0), [20, 200]);
}

#[test]
fn a_flood_leaves_no_memory_behind() {
    let mut queue = queue(100_000, 10_000_000);
    for n in 0..20_000 {
        queue.push(0, n, 1, n).unwrap();
    }
    while !queue.is_empty() {
        take(&mut queue, 0);
    }
    assert!(queue.slots.capacity() <= KEPT && queue.senders.capacity() <= 4 * KEPT);
    queue.push(0, 1, 1, 1).unwrap();
    assert_eq!(take(&mut queue, 0), [1]);
}

/// What a test does to a queue.
#[derive(Clone, Debug)]
enum Act {
    Push { lane: usize, sender: u32, bytes: usize },
    Take { lane: usize },
    Release,
}

fn act() -> impl Strategy<Value = Act> {
    // The first senders send most.
    let sender = prop_oneof![4 => 0..2_u32, 1 => 2..12_u32];
    prop_oneof![
        6 => (0..2_usize, sender, 0..600_usize)
            .prop_map(|(lane, sender, bytes)| Act::Push { lane, sender, bytes }),
        2 => (0..2_usize).prop_map(|lane| Act::Take { lane }),
        1 => Just(Act::Release),
    ]
}

proptest! {
    #[test]
    fn order_turns_and_counts_hold_whatever_happens(acts in prop::collection::vec(act(), 1..400)) {
        let mut queue: FairQueue<u32, (u32, u32, usize)> =
            FairQueue::new(2, amount(60, 12_000), PORTIONS);
        // By lane and sender: what waits; and how many turns others had since their last.
        let mut model: BTreeMap<(usize, u32), VecDeque<(u32, usize)>> = BTreeMap::new();
        let mut passed_over: BTreeMap<(usize, u32, u32), u32> = BTreeMap::new();
        let (mut out, mut held, mut next) = (Vec::new(), Amount::default(), 0);
        for act in acts {
            match act {
                Act::Push { lane, sender, bytes } => {
                    next += 1;
                    if queue.push(lane, sender, bytes, (sender, next, bytes)).is_ok() {
                        model.entry((lane, sender)).or_default().push_back((next, bytes));
                        held = held.plus(amount(1, bytes));
                        prop_assert!(held.count == 1 || held.within(amount(60, 12_000)));
                    } else {
                        let own = queue.senders.get(&sender).copied().unwrap_or_default();
                        let free = amount(60, 12_000).minus(held);
                        prop_assert!(!own.plus(amount(1, bytes)).within(free));
                    }
                }
                Act::Take { lane } => {
                    let mut items = Vec::new();
                    let shares = queue.take(lane, &mut items);
                    let count: usize = shares.iter().map(|(_, a)| a.count).sum();
                    let bytes: usize = shares.iter().map(|(_, a)| a.bytes).sum();
                    prop_assert_eq!(count, items.len());
                    prop_assert_eq!(bytes, items.iter().map(|i| i.2).sum::<usize>());
                    prop_assert!(count == 1 || amount(count, bytes).within(PORTIONS.batch));
                    for (sender, number, bytes) in items {
                        let first = model.get_mut(&(lane, sender)).and_then(VecDeque::pop_front);
                        prop_assert_eq!(first, Some((number, bytes)), "a sender's order");
                    }
                    for (sender, own) in &shares {
                        prop_assert!(own.count == 1 || own.within(PORTIONS.alone));
                        passed_over.retain(|key, _| (key.0, key.1) != (lane, *sender));
                        for (&(other_lane, other), waiting) in &model {
                            if other_lane == lane && other != *sender && !waiting.is_empty() {
                                let turns = passed_over.entry((lane, other, *sender)).or_default();
                                *turns += 1;
                            }
                        }
                    }
                    // Those who had their turn in this batch before others are served again.
                    for (sender, _) in &shares {
                        passed_over.retain(|key, _| (key.0, key.1) != (lane, *sender));
                    }
                    prop_assert!(passed_over.values().all(|turns| *turns <= 1), "starved");
                    out.push(shares);
                }
                Act::Release => {
                    for shares in out.drain(..) {
                        queue.release(&shares);
                        for (_, own) in shares {
                            held = held.minus(own);
                        }
                    }
                }
            }
            prop_assert_eq!(queue.held(), held);
            prop_assert_eq!(queue.in_use, model.values().map(VecDeque::len).sum::<usize>());
        }
        // Nothing is lost, and nothing is left.
        for lane in 0..2 {
            loop {
                let mut items = Vec::new();
                let shares = queue.take(lane, &mut items);
                if items.is_empty() { break; }
                for (sender, number, bytes) in items {
                    let first = model.get_mut(&(lane, sender)).and_then(VecDeque::pop_front);
                    prop_assert_eq!(first, Some((number, bytes)));
                }
                out.push(shares);
            }
        }
        out.iter().for_each(|shares| queue.release(shares));
        prop_assert!(queue.is_empty() && queue.senders.is_empty());
        prop_assert!(model.values().all(VecDeque::is_empty));
        prop_assert_eq!(queue.held(), Amount::default());
    }
}
