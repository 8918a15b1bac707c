//! What the background queue promises, with time that the tests move.

use std::sync::Mutex;

use async_trait::async_trait;
use tokio::sync::Notify;

use super::*;

type Seen = Arc<Mutex<Vec<(u32, u32)>>>;

/// Does what its plan says at each attempt, and writes down (job, attempt).
struct Planned {
    number: u32,
    plan: Vec<What>,
    seen: Seen,
}

#[derive(Clone)]
enum What {
    Done,
    Retry,
    GiveUp,
    Panic,
    Hang,
    Bomb,
    Wait(Arc<Notify>),
}

/// Panics when it is given up.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose");
    }
}

#[async_trait]
impl Job for Planned {
    async fn run(&mut self, attempt: u32) -> Result<(), JobError> {
        self.seen.lock().unwrap().push((self.number, attempt));
        let what = self.plan.get(attempt as usize - 1).cloned().unwrap_or(What::Done);
        match what {
            What::Done => Ok(()),
            What::Retry => Err(JobError::Retry(HookError::new("not yet"))),
            What::GiveUp => Err(JobError::GiveUp(HookError::new("never"))),
            What::Panic => panic!("on purpose"),
            What::Hang => std::future::pending().await,
            What::Bomb => {
                let _bomb = Bomb;
                std::future::pending().await
            }
            What::Wait(notify) => {
                notify.notified().await;
                Ok(())
            }
        }
    }
}

fn limits(queue: usize, concurrency: usize) -> JobLimits {
    let mut entry = PluginEntry::of("x");
    (entry.job_queue, entry.job_concurrency, entry.job_attempts) = (queue, concurrency, 3);
    JobLimits::of(&entry)
}

fn push(queue: &JobQueue, number: u32, plan: &[What], seen: &Seen) -> Result<(), QueueFull> {
    queue.push(Box::new(Planned { number, plan: plan.to_vec(), seen: Arc::clone(seen) }))
}

#[tokio::test(start_paused = true)]
async fn a_job_is_tried_until_it_is_done_or_given_up() {
    let seen = Seen::default();
    let queue = JobQueue::start(&"x".into(), &limits(10, 1), JobOrder::Any);
    push(&queue, 1, &[What::Retry, What::Retry], &seen).unwrap();
    push(&queue, 2, &[What::Retry, What::Retry, What::Retry], &seen).unwrap();
    push(&queue, 3, &[What::GiveUp], &seen).unwrap();
    push(&queue, 4, &[What::Panic], &seen).unwrap();
    push(&queue, 5, &[What::Hang], &seen).unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let mut seen = seen.lock().unwrap().clone();
    seen.sort_unstable();
    assert_eq!(
        seen,
        [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3), (3, 1), (4, 1), (5, 1), (5, 2)]
    );
}

#[tokio::test(start_paused = true)]
async fn in_order_the_next_waits_for_the_one_before() {
    let seen = Seen::default();
    let queue = JobQueue::start(&"x".into(), &limits(10, 4), JobOrder::Pushed);
    push(&queue, 1, &[What::Retry], &seen).unwrap();
    push(&queue, 2, &[], &seen).unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    queue.close().await;
    // The pause was cut short by the close, and the attempt after it was the second.
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (1, 2), (2, 1)]);
}

#[tokio::test(start_paused = true)]
async fn in_any_order_a_pause_holds_up_nobody() {
    let seen = Seen::default();
    let queue = JobQueue::start(&"x".into(), &limits(10, 1), JobOrder::Any);
    push(&queue, 1, &[What::Retry], &seen).unwrap();
    push(&queue, 2, &[], &seen).unwrap();
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (2, 1), (1, 2)]);
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_drops_and_has_room_again() {
    let (seen, gate) = (Seen::default(), Arc::new(Notify::new()));
    let queue = JobQueue::start(&"x".into(), &limits(2, 1), JobOrder::Any);
    push(&queue, 1, &[What::Wait(Arc::clone(&gate))], &seen).unwrap();
    push(&queue, 2, &[], &seen).unwrap();
    assert_eq!(push(&queue, 3, &[], &seen), Err(QueueFull));
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(queue.waiting(), 1);
    assert_eq!(push(&queue, 3, &[], &seen), Err(QueueFull), "one that runs has its place as well");
    gate.notify_one();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(queue.waiting(), 0);
    push(&queue, 4, &[], &seen).unwrap();
    queue.close().await;
    assert_eq!(push(&queue, 5, &[], &seen), Err(QueueFull));
    assert_eq!(*seen.lock().unwrap(), [(1, 1), (2, 1), (4, 1)]);
}

#[tokio::test(start_paused = true)]
async fn no_more_run_at_once_than_allowed() {
    let (seen, gate) = (Seen::default(), Arc::new(Notify::new()));
    let queue = JobQueue::start(&"x".into(), &limits(10, 2), JobOrder::Any);
    for number in 1..=5 {
        push(&queue, number, &[What::Wait(Arc::clone(&gate))], &seen).unwrap();
    }
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(seen.lock().unwrap().len(), 2);
    gate.notify_one();
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(seen.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_job_that_panics_when_it_is_given_up_stops_no_other() {
    for order in [JobOrder::Any, JobOrder::Pushed] {
        let seen = Seen::default();
        let queue = JobQueue::start(&"x".into(), &limits(10, 1), order);
        push(&queue, 1, &[What::Bomb], &seen).unwrap();
        let bomb = Bomb;
        struct Holder(u32, Seen, Bomb);
        #[async_trait]
        impl Job for Holder {
            async fn run(&mut self, attempt: u32) -> Result<(), JobError> {
                self.1.lock().unwrap().push((self.0, attempt));
                Ok(())
            }
        }
        queue.push(Box::new(Holder(2, Arc::clone(&seen), bomb))).unwrap();
        tokio::time::sleep(Duration::from_secs(60)).await;
        push(&queue, 3, &[], &seen).unwrap();
        queue.close().await;
        let mut seen = seen.lock().unwrap().clone();
        seen.sort_unstable();
        assert_eq!(seen, [(1, 1), (1, 2), (2, 1), (3, 1)], "{order:?}");
    }
}
