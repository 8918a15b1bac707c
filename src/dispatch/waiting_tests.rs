//! Who waits, who is woken, and what is told of the wait.

use std::sync::Arc;

use super::*;

const ROOM: Amount = Amount { count: 100, bytes: 1_000_000 };

fn user(n: u128) -> UserId {
    UserId::from_u128(n)
}

#[tokio::test]
async fn a_lane_is_woken_and_ends_when_it_is_closed() {
    let waiting = Arc::new(Waiting::new(1, ROOM));
    let lane = tokio::spawn({
        let waiting = Arc::clone(&waiting);
        async move {
            let (mut got, mut batch) = (Vec::new(), Vec::new());
            while let Some(taken) = waiting.next(0, &mut batch).await {
                got.append(&mut batch);
                drop(taken);
            }
            got
        }
    });
    for n in 0..10 {
        waiting.push(0, user(1), 1, n).unwrap();
        tokio::task::yield_now().await;
    }
    waiting.close();
    assert_eq!(waiting.push(0, user(1), 1, 10), Err((10, Full::Closed)));
    assert_eq!(lane.await.unwrap(), (0..10).collect::<Vec<_>>());
    assert_eq!(waiting.held(), Amount::default());
}

#[tokio::test]
async fn a_batch_counts_until_it_is_dropped() {
    let waiting = Waiting::new(1, Amount { count: 2, ..ROOM });
    waiting.push(0, user(1), 1, 1).unwrap();
    let mut batch = Vec::new();
    let taken = waiting.next(0, &mut batch).await.unwrap();
    assert_eq!(waiting.push(0, user(1), 1, 2), Err((2, Full::Overloaded(1))));
    drop(taken);
    waiting.push(0, user(1), 1, 2).unwrap();
}

#[test]
fn the_wait_follows_the_pace() {
    let begin = Instant::now();
    let at = |millis| begin + Duration::from_millis(millis);
    let mut pace = Pace::new(begin);
    assert_eq!(pace.wait_for(1000, at(10)), 1, "it has only just begun");
    assert_eq!(pace.wait_for(1000, at(1500)), LONGEST, "nothing gets done");
    pace.note(100, at(2000));
    assert_eq!(pace.wait_for(1000, at(2000)), 20, "50 a second");
    pace.note(1900, at(3000));
    assert_eq!(pace.wait_for(4000, at(3000)), 3, "1900 in the last second");
    assert_eq!(pace.wait_for(10, at(3000)), 1);
    assert_eq!(pace.wait_for(4000, at(60_000)), LONGEST, "the store hangs since");
}
