//! The publishes that wait for Redis: bounded, in order.

use std::{
    collections::{HashMap, VecDeque, hash_map},
    sync::{Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

use confab_plugin::UserId;
use tokio::sync::Notify;

use super::{metrics::Metrics, parcel::Content};
use crate::{config, wire::Frame};

/// What a waiting publish takes beside its text, in bytes.
const OVERHEAD: usize = 96;

/// The most bytes of frames in one pipeline, so that it is through long before the response
/// timeout; one frame always fits.
const BATCH_BYTES: usize = 1024 * 1024;

/// One publish.
#[derive(Debug)]
pub struct Publish {
    /// Whose sessions.
    pub to: UserId,
    /// What to tell them.
    pub content: Content,
}

/// What waits.
///
/// Invariant: no more frames and bytes wait than the configuration allows; when more come, the
/// oldest fall out and leave behind for whom and since when, so that the nodes where those users
/// are can be told to look in the store.
pub struct Queue {
    waiting: Mutex<Waiting>,
    changed: Notify,
    frames: usize,
    bytes: usize,
    batch: usize,
    metrics: Metrics,
}

#[derive(Default)]
struct Waiting {
    frames: VecDeque<(SystemTime, UserId, Frame)>,
    bytes: usize,
    /// Frames that were taken and may not have arrived.
    sending: usize,
    /// Bounded by the number of frames that may wait.
    losses: HashMap<UserId, SystemTime>,
    /// Redis does not answer.
    down: bool,
    closed: bool,
}

impl Queue {
    /// An empty queue within the bounds of `config`.
    pub fn new(config: &config::Redis, metrics: Metrics) -> Self {
        Self {
            waiting: Mutex::default(),
            changed: Notify::new(),
            frames: config.queue,
            bytes: config.queue_bytes.as_usize(),
            batch: config.batch,
            metrics,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a frame at the end. Never waits.
    pub fn push(&self, to: UserId, frame: Frame) {
        let mut waiting = self.lock();
        // Typing is worth nothing once Redis is back.
        if waiting.closed || waiting.down && frame.typing.is_some() {
            drop(waiting);
            self.metrics.dropped.increment(1);
            return;
        }
        waiting.bytes += size(&frame);
        waiting.frames.push_back((SystemTime::now(), to, frame));
        let mut dropped = 0;
        while waiting.frames.len() > self.frames || waiting.bytes > self.bytes {
            let Some((since, to, frame)) = waiting.frames.pop_front() else { break };
            waiting.bytes -= size(&frame);
            dropped += 1;
            if frame.typing.is_none() {
                waiting.lose(to, since, self.frames);
            }
        }
        self.metrics.queue.set(waiting.frames.len() as f64);
        drop(waiting);
        if dropped > 0 {
            self.metrics.dropped.increment(dropped);
        }
        self.changed.notify_one();
    }

    /// Waits for something to publish, and takes what fits in one pipeline; `None` once the
    /// queue is closed and empty. What was taken before has arrived. For one caller; may be
    /// cancelled.
    pub async fn take(&self) -> Option<Vec<Publish>> {
        loop {
            if let Some(batch) = self.try_take() {
                return batch;
            }
            self.changed.notified().await;
        }
    }

    fn try_take(&self) -> Option<Option<Vec<Publish>>> {
        let mut waiting = self.lock();
        let mut batch: Vec<Publish> = waiting
            .losses
            .extract_if(|_, _| true)
            .take(self.batch)
            .map(|(to, since)| Publish { to, content: Content::Loss(since) })
            .collect();
        let losses = batch.len();
        let mut bytes = 0;
        while batch.len() < self.batch
            && let Some((_, _, frame)) = waiting.frames.front()
        {
            bytes += frame.text.len();
            if bytes > BATCH_BYTES && !batch.is_empty() {
                break;
            }
            let Some((_, to, frame)) = waiting.frames.pop_front() else { break };
            waiting.bytes -= size(&frame);
            batch.push(Publish { to, content: Content::Frame(frame) });
        }
        waiting.sending = batch.len() - losses;
        self.metrics.queue.set(waiting.frames.len() as f64);
        if !batch.is_empty() {
            return Some(Some(batch));
        }
        waiting.closed.then_some(None)
    }

    /// Says whether Redis answers.
    pub fn set_down(&self, down: bool) {
        self.lock().down = down;
    }

    /// Takes nothing more.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_one();
    }

    /// How many frames are not known to have arrived.
    pub fn unsent(&self) -> usize {
        let waiting = self.lock();
        waiting.sending + waiting.frames.len()
    }
}

impl Waiting {
    fn lose(&mut self, to: UserId, since: SystemTime, most: usize) {
        let room = self.losses.len() < most;
        match self.losses.entry(to) {
            hash_map::Entry::Occupied(mut loss) => {
                let earliest = since.min(*loss.get());
                loss.insert(earliest);
            }
            hash_map::Entry::Vacant(loss) if room => {
                loss.insert(since);
            }
            hash_map::Entry::Vacant(_) => {}
        }
    }
}

fn size(frame: &Frame) -> usize {
    frame.text.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use confab_plugin::ByteSize;

    use super::*;

    fn queue(frames: usize, bytes: ByteSize, batch: usize) -> Queue {
        let config =
            config::Redis { queue: frames, queue_bytes: bytes, batch, ..config::Redis::default() };
        Queue::new(&config, Metrics::new())
    }

    fn user(number: u128) -> UserId {
        UserId::from_u128(number)
    }

    fn push(queue: &Queue, to: u128, text: &str) {
        queue.push(user(to), Frame::received(text.to_owned().into(), text == "typing"));
    }

    /// Frames as `user:text`, losses as `user:lost`.
    async fn taken(queue: &Queue) -> Option<Vec<String>> {
        let batch = queue.take().await?;
        let mut found: Vec<String> = batch
            .iter()
            .map(|publish| match &publish.content {
                Content::Frame(frame) => format!("{}:{}", publish.to.as_u128(), frame.text),
                Content::Loss(_) => format!("{}:lost", publish.to.as_u128()),
            })
            .collect();
        let losses = found.iter().take_while(|text| text.ends_with("lost")).count();
        found[..losses].sort();
        Some(found)
    }

    #[tokio::test]
    async fn what_waits_is_taken_in_order_batch_by_batch() {
        let queue = queue(100, ByteSize::mib(1), 3);
        for text in ["a", "b", "c", "d"] {
            push(&queue, 1, text);
        }
        assert_eq!(queue.unsent(), 4);
        assert_eq!(taken(&queue).await.unwrap(), ["1:a", "1:b", "1:c"]);
        assert_eq!(queue.unsent(), 4);
        assert_eq!(taken(&queue).await.unwrap(), ["1:d"]);
        assert_eq!(queue.unsent(), 1);
        queue.close();
        assert_eq!(taken(&queue).await, None);
        push(&queue, 1, "late");
        assert_eq!(taken(&queue).await, None);
    }

    #[tokio::test]
    async fn the_oldest_fall_out_and_are_remembered() {
        let queue = queue(3, ByteSize::mib(1), 10);
        for (to, text) in [(1, "a"), (2, "typing"), (1, "b"), (3, "c"), (4, "d"), (4, "e")] {
            push(&queue, to, text);
        }
        // The second was ephemeral: nobody misses it.
        assert_eq!(taken(&queue).await.unwrap(), ["1:lost", "3:c", "4:d", "4:e"]);
        push(&queue, 1, "f");
        assert_eq!(taken(&queue).await.unwrap(), ["1:f"]);
    }

    #[tokio::test]
    async fn bytes_are_bounded_and_so_are_losses() {
        let queue = queue(100, ByteSize::kib(4), 10);
        let long = "x".repeat(1500);
        for to in 0..5 {
            push(&queue, to, &long);
        }
        assert_eq!(queue.unsent(), 2);
        push(&queue, 5, &"x".repeat(5000));
        assert_eq!(queue.unsent(), 0);
        let losses = taken(&queue).await.unwrap();
        assert_eq!(losses, ["0:lost", "1:lost", "2:lost", "3:lost", "4:lost", "5:lost"]);

        let small = self::queue(2, ByteSize::mib(1), 10);
        for to in 0..10 {
            push(&small, to, "a");
        }
        assert_eq!(taken(&small).await.unwrap(), ["0:lost", "1:lost", "8:a", "9:a"]);
    }

    #[tokio::test]
    async fn a_pipeline_has_a_bound_in_bytes_but_one_frame_fits() {
        let queue = queue(100, ByteSize::mib(64), 100);
        let large = "x".repeat(BATCH_BYTES + 1);
        push(&queue, 1, &large);
        push(&queue, 2, "b");
        push(&queue, 3, &large);
        let mut sizes = Vec::new();
        for _ in 0..3 {
            sizes.push(queue.take().await.unwrap().len());
        }
        assert_eq!(sizes, [1, 1, 1]);
    }

    #[tokio::test]
    async fn typing_does_not_wait_for_redis() {
        let queue = queue(100, ByteSize::mib(1), 10);
        queue.set_down(true);
        push(&queue, 1, "typing");
        push(&queue, 1, "a");
        queue.set_down(false);
        push(&queue, 1, "typing");
        assert_eq!(taken(&queue).await.unwrap(), ["1:a", "1:typing"]);
    }
}
