//! The watchdog's tests: a stall of each kind stops the beats, and an outage of the store does not.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::runtime::Runtime;

use super::*;
use crate::turns::Turns;

const TIME: Duration = Duration::from_millis(200);

fn runtime(workers: usize) -> Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .build()
        .unwrap()
}

/// Counts beats.
fn watch(runtime: &Runtime, parts: Vec<Part>) -> Arc<AtomicUsize> {
    let beats = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&beats);
    let beat = move || {
        counted.fetch_add(1, Ordering::SeqCst);
    };
    start(TIME, runtime.handle(), parts, beat).unwrap();
    beats
}

/// Waits until there are three more beats: the first may have been on its way.
fn beats_go_on(beats: &AtomicUsize) {
    let (before, begun) = (beats.load(Ordering::SeqCst), Instant::now());
    while beats.load(Ordering::SeqCst) < before + 3 {
        assert!(begun.elapsed() < Duration::from_secs(30), "no beats");
        std::thread::sleep(SLICE);
    }
}

/// The beat that was on its way may come, late on a busy machine; then there is none for several
/// periods.
fn beats_stop(beats: &AtomicUsize) {
    let begun = Instant::now();
    loop {
        let before = beats.load(Ordering::SeqCst);
        std::thread::sleep(4 * TIME);
        if beats.load(Ordering::SeqCst) == before {
            return;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "it beats though something is stuck");
    }
}

/// Keeps its worker until it is let go.
fn block(runtime: &Runtime) -> Arc<AtomicBool> {
    let (free, begun) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (until, has_begun) = (Arc::clone(&free), Arc::clone(&begun));
    runtime.spawn(async move {
        has_begun.store(true, Ordering::SeqCst);
        while !until.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    while !begun.load(Ordering::SeqCst) {
        std::thread::sleep(Duration::from_millis(1));
    }
    free
}

#[test]
fn an_idle_and_a_busy_runtime_beat() {
    let runtime = runtime(2);
    let beats = watch(&runtime, Vec::new());
    beats_go_on(&beats);
    for _ in 0..8 {
        runtime.spawn(async {
            loop {
                tokio::task::yield_now().await;
            }
        });
    }
    beats_go_on(&beats);
    runtime.shutdown_background();
}

#[test]
fn one_worker_of_several_that_is_stuck_stops_the_beats() {
    let runtime = runtime(3);
    let beats = watch(&runtime, Vec::new());
    beats_go_on(&beats);
    let free = block(&runtime);
    beats_stop(&beats);
    free.store(true, Ordering::SeqCst);
    beats_go_on(&beats);
}

#[test]
fn a_loop_that_is_stuck_stops_the_beats_and_a_slow_store_does_not() {
    let runtime = runtime(2);
    let turns = Arc::new(Turns::default());
    let limit = Duration::from_secs(2);
    let asked = Arc::clone(&turns);
    let lane = Part::new("a lane", move || {
        let turns = Arc::clone(&asked);
        Box::pin(async move { turns.turned(limit, async || ()).await })
    });
    let round = turns.begin();
    let begun = Instant::now();
    let beats = watch(&runtime, vec![lane]);
    beats_go_on(&beats);
    // Longer than the round may take.
    std::thread::sleep(limit.saturating_sub(begun.elapsed()));
    beats_stop(&beats);
    drop(round);
    let next = turns.begin();
    beats_go_on(&beats);
    drop(next);
    // Idle, and nobody wakes it up.
    beats_stop(&beats);
}
