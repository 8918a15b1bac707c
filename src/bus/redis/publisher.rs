//! The task that publishes what waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bb8_redis::redis::Pipeline;

use super::{
    backoff::Backoff,
    channel::Channels,
    metrics::Metrics,
    outage::Health,
    parcel::Parcel,
    pool::Pool,
    queue::{Publish, Queue},
};

/// Publishes from the queue, one pipeline after the other.
///
/// Invariant: a pipeline is sent until Redis has taken all of it, and only then the next. So all
/// that one node publishes reaches every subscriber in the order of its numbers, but for copies,
/// whose numbers are not new.
pub struct Publisher {
    /// What this node is called on the bus.
    pub origin: u64,
    /// Where to publish.
    pub channels: Channels,
    /// What waits.
    pub queue: Arc<Queue>,
    /// The connections.
    pub pool: Pool,
    /// Whether Redis answers.
    pub health: Health,
    /// What is counted.
    pub metrics: Metrics,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// How often an idle Redis is asked whether it answers.
    pub ping: Duration,
}

impl Publisher {
    /// Runs until the queue is closed and empty. May be aborted at any time.
    pub async fn run(mut self) {
        let mut number = 0;
        let nothing = Pipeline::new();
        self.send(&nothing, 0).await;
        loop {
            match tokio::time::timeout(self.ping, self.queue.take()).await {
                Ok(Some(batch)) => {
                    let pipeline = self.pipeline(&batch, &mut number);
                    self.send(&pipeline, batch.len()).await;
                }
                Ok(None) => return,
                Err(_) => self.send(&nothing, 0).await,
            }
        }
    }

    fn pipeline(&self, batch: &[Publish], number: &mut u64) -> Pipeline {
        let mut pipeline = Pipeline::with_capacity(batch.len());
        for Publish { to, content } in batch {
            *number += 1;
            let parcel = Parcel::encode(self.origin, *number, content);
            pipeline.cmd("PUBLISH").arg(self.channels.of(*to)).arg(parcel).ignore();
        }
        pipeline
    }

    /// Sends a pipeline until Redis has taken it.
    async fn send(&mut self, pipeline: &Pipeline, count: usize) {
        loop {
            let started = Instant::now();
            match self.pool.send(pipeline).await {
                Ok(()) => {
                    if count > 0 {
                        self.metrics.duration.record(started.elapsed());
                        self.metrics.published.increment(count as u64);
                    }
                    self.backoff.reset();
                    self.queue.set_down(false);
                    self.health.up();
                    return;
                }
                Err(failure) => {
                    self.queue.set_down(true);
                    self.health.down(failure);
                    tokio::time::sleep(self.backoff.next()).await;
                }
            }
        }
    }
}
