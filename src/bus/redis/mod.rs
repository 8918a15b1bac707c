//! The bus of many nodes: Redis publish/subscribe.
//!
//! What is published for a user goes at once to their sessions on this node, and through Redis to
//! the other nodes where they are. So users of one node never depend on Redis, and a Redis that
//! is away delays what comes from other nodes, and loses nothing: whoever may have missed
//! something is told of by [`Bus::missed`], and gets it from the store.
//!
//! - **One connection listens** per node, however many sessions there are, subscribed to the
//!   channels of the users who are here. Delivery happens where the socket is read: there is no
//!   queue in between.
//! - **One task publishes**: it takes all that waits, up to `batch`, as one pipeline through a
//!   pooled connection. It sends a pipeline until Redis has taken it, so what waits stays in
//!   order; receivers know a copy by its number. When the queue is full the oldest fall out, and
//!   later the nodes where their users are get word of the loss instead.
//! - **A silent Redis** (stopped, or cut off) is noticed within twice `response_timeout`. Both
//!   connect again with exponential backoff and full jitter.
//!
//! # How far one Redis carries
//!
//! This bus asks for one Redis (or Valkey) 6 or newer, behind one name; a replica that takes over
//! under that name is an outage of seconds. Publish/subscribe keeps nothing, so the Redis needs
//! neither persistence nor memory, and any user with `+publish +subscribe +unsubscribe +ping` on
//! the channels `PREFIX:*` will do. Measured with `cargo bench --bench bus` on two busy cores that
//! also ran both nodes: 240,000 to 300,000 frames of 254 bytes a second from one node to another,
//! and 31 µs from publish to delivery for one alone. That is well beyond what a MongoDB majority
//! acknowledges, so the store is the first to need more machines.
//!
//! A node that reads more slowly than others publish is cut off by Redis once
//! `client-output-buffer-limit pubsub` (32 MiB, or 8 MiB for a minute, unless set otherwise) waits
//! for it. That is an outage as any other; with large bursts, give Redis a higher limit.
//!
//! Redis Cluster works through any one of its nodes, but brings nothing: it hands every publish
//! to every node. Sharded publish/subscribe would spread them, at the price of one connection a
//! shard on every node of confab, and of subscriptions that move with their slots; we do without
//! until one Redis is not enough.

mod backoff;
mod channel;
mod metrics;
mod outage;
pub mod parcel;
mod pool;
mod probe;
mod publisher;
mod queue;
mod receiver;
mod server;
mod subscriber;
mod subscriptions;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use confab_plugin::UserId;
use tokio::task::JoinHandle;

use self::{
    backoff::Backoff, channel::Channels, metrics::Metrics, outage::Health, pool::Pool,
    publisher::Publisher, queue::Queue, receiver::Receiver, server::Server, subscriber::Subscriber,
    subscriptions::Subscriptions,
};
use super::{Bus, Deliver, Envelope, Missed};
use crate::config;

pub use self::{metrics::describe_metrics, probe::probe, server::Failure, server::check_url};

/// A bus through one Redis.
pub struct RedisBus {
    here: Arc<dyn Deliver>,
    queue: Arc<Queue>,
    subscriptions: Arc<Subscriptions>,
    metrics: Metrics,
    close_within: Duration,
    tasks: Mutex<Option<Tasks>>,
}

struct Tasks {
    publisher: JoinHandle<()>,
    subscriber: JoinHandle<()>,
}

impl RedisBus {
    /// Starts a bus that delivers to `here`. Does not wait for Redis, which may come later. Call
    /// it within a tokio runtime.
    ///
    /// # Errors
    /// When `bus.redis.url` is missing or wrong.
    pub fn start(config: &config::Redis, here: Arc<dyn Deliver>) -> Result<Self, Failure> {
        let server = Server::new(config)?;
        let origin = rand::random();
        let channels = Channels::new(&config.prefix);
        let metrics = Metrics::new();
        let queue = Arc::new(Queue::new(config, metrics.clone()));
        let subscriptions = Arc::<Subscriptions>::default();

        let m = metrics.clone();
        let health =
            Health::new("publisher", &server, m.publisher_connected, m.publisher_reconnects);
        let publisher = Publisher {
            origin,
            channels: channels.clone(),
            queue: Arc::clone(&queue),
            pool: Pool::new(server.clone(), config),
            health,
            metrics: metrics.clone(),
            backoff: Backoff::new(config.max_backoff.0),
            ping: config.response_timeout.0,
        };
        let receiver = Receiver::new(
            origin,
            channels.clone(),
            Arc::clone(&here),
            Arc::clone(&subscriptions),
            metrics.clone(),
        );
        let m = metrics.clone();
        let health =
            Health::new("subscriber", &server, m.subscriber_connected, m.subscriber_reconnects);
        let subscriber = Subscriber {
            server,
            channels,
            subscriptions: Arc::clone(&subscriptions),
            receiver: Arc::new(receiver),
            health,
            backoff: Backoff::new(config.max_backoff.0),
            response_timeout: config.response_timeout.0,
        };
        let tasks = Tasks {
            publisher: tokio::spawn(publisher.run()),
            subscriber: tokio::spawn(subscriber.run()),
        };
        Ok(Self {
            here,
            queue,
            subscriptions,
            metrics,
            close_within: config.response_timeout.0,
            tasks: Mutex::new(Some(tasks)),
        })
    }

    fn take_tasks(&self) -> Option<Tasks> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

#[async_trait]
impl Bus for RedisBus {
    fn publish(&self, envelope: Envelope) {
        let (to, frame) = (envelope.to, envelope.frame.clone());
        self.here.deliver(envelope);
        self.queue.push(to, frame);
    }

    fn subscribe(&self, user: UserId) {
        self.subscriptions.subscribe(user);
    }

    fn unsubscribe(&self, user: UserId) {
        self.subscriptions.unsubscribe(user);
    }

    async fn missed(&self) -> Vec<Missed> {
        self.subscriptions.missed().await
    }

    /// Sends what waits for at most `response_timeout`, then leaves Redis.
    async fn close(&self) {
        self.queue.close();
        let Some(mut tasks) = self.take_tasks() else {
            return;
        };
        if tokio::time::timeout(self.close_within, &mut tasks.publisher).await.is_err() {
            tasks.publisher.abort();
            let left = self.queue.unsent();
            self.metrics.dropped.increment(left as u64);
            tracing::warn!(left, "Redis did not take what waited: its users will find it by sync");
        }
        // The end of its connection ends its subscriptions.
        tasks.subscriber.abort();
        let _ = tasks.subscriber.await;
        self.metrics.publisher_connected.set(0);
        self.metrics.subscriber_connected.set(0);
    }
}

impl Drop for RedisBus {
    fn drop(&mut self) {
        if let Some(tasks) = self.take_tasks() {
            tasks.publisher.abort();
            tasks.subscriber.abort();
        }
    }
}
