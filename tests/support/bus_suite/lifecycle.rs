//! Sessions that come and go, and the end of a bus.

use super::{super::wait, Backend, user};

pub async fn rapid_changes_end_in_the_right_state<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let users: Vec<_> = (0..50).map(|_| user()).collect();
    let tasks: Vec<_> = users
        .iter()
        .enumerate()
        .map(|(number, &who)| {
            let b = b.clone();
            tokio::spawn(async move {
                for round in 0..40 {
                    b.open(who, 1);
                    if (round + number) % 7 == 0 {
                        tokio::task::yield_now().await;
                    }
                    b.close(who, 1);
                }
                // The even ones stay.
                if number % 2 == 0 {
                    b.open(who, 2);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for (number, &who) in users.iter().enumerate() {
        if number % 2 == 0 {
            wait::until("they get messages", async || {
                a.publish(who, "stayed");
                (!b.texts(who, 2).is_empty()).then_some(())
            })
            .await;
        } else {
            backend.gone(&b, who).await;
        }
    }
}

/// The first session of a user opens while the last one closes: the calls may overtake each other.
pub async fn calls_of_racing_sessions_may_come_in_either_order<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let ann = user();
    b.open(ann, 1);
    backend.settled(&b, ann).await;
    b.bus.subscribe(ann);
    b.bus.unsubscribe(ann);
    // A user who comes later is settled later: so the calls before have been carried out.
    let bob = user();
    b.open(bob, 2);
    backend.settled(&b, bob).await;
    a.publish(ann, "still here");
    b.wait_for(ann, 1, 1).await;
}

pub async fn closing_sends_what_waits<B: Backend>() {
    let (backend, [a, b]) = B::fresh().await;
    let ann = user();
    b.open(ann, 1);
    backend.settled(&b, ann).await;
    for number in 0..5000 {
        a.publish(ann, &number.to_string());
    }
    a.bus.close().await;
    b.wait_for(ann, 1, 5000).await;
}

pub async fn a_closed_bus_takes_calls<B: Backend>() {
    let (_backend, [a, _]) = B::fresh().await;
    let ann = user();
    a.bus.close().await;
    a.bus.close().await;
    // Those who are still here still hear each other.
    a.open(ann, 1);
    a.publish(ann, "late");
    assert_eq!(a.texts(ann, 1), ["{late}"]);
    a.close(ann, 1);
}
