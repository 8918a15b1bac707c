//! The task that keeps one connection subscribed to the users who are here.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use bb8_redis::redis::{self, AsyncConnectionConfig, PushInfo, aio::MultiplexedConnection};
use confab_plugin::UserId;

use super::{
    backoff::Backoff,
    channel::Channels,
    outage::Health,
    receiver::Receiver,
    server::{Failure, Server},
    subscriptions::Subscriptions,
};

/// The most users in one command.
const BATCH: usize = 1000;

/// Subscribes, notices when the connection is dead, and begins anew.
pub struct Subscriber {
    /// Where to connect.
    pub server: Server,
    /// Names of channels.
    pub channels: Channels,
    /// Who is here.
    pub subscriptions: Arc<Subscriptions>,
    /// Takes what Redis pushes.
    pub receiver: Arc<Receiver>,
    /// Whether Redis answers.
    pub health: Health,
    /// Waits between attempts.
    pub backoff: Backoff,
    /// How long Redis may send nothing although it was asked; also how often it is asked.
    pub response_timeout: Duration,
}

impl Subscriber {
    /// Runs for ever. May be aborted at any time.
    pub async fn run(mut self) {
        loop {
            let failure = match self.connect().await {
                Ok(connection) => {
                    let started = Instant::now();
                    let failure = self.serve(connection).await;
                    self.subscriptions.lost(self.receiver.last());
                    // A server that takes a connection only to end it is not to be hurried.
                    if started.elapsed() > self.response_timeout.saturating_mul(2) {
                        self.backoff.reset();
                    }
                    failure
                }
                Err(failure) => failure,
            };
            self.health.down(failure);
            tokio::time::sleep(self.backoff.next()).await;
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, Failure> {
        let receiver = Arc::clone(&self.receiver);
        let push = move |push: PushInfo| {
            receiver.push(push);
            Ok::<(), redis::aio::SendError>(())
        };
        // Whether Redis answers in time is watched here, because a busy one answers late.
        let config = AsyncConnectionConfig::new().set_response_timeout(None).set_push_sender(push);
        self.receiver.begin();
        self.server.connect(config).await
    }

    /// Keeps the connection until it fails.
    async fn serve(&mut self, mut connection: MultiplexedConnection) -> Failure {
        // What is said of an earlier connection does not count.
        while futures_util::FutureExt::now_or_never(self.receiver.ended.notified()).is_some() {}
        self.receiver.alive();
        self.subscriptions.start_over();
        let mut current = HashSet::new();
        loop {
            if let Err(failure) = self.settle(&mut connection, &mut current).await {
                return failure;
            }
            self.health.up();
            let idle = tokio::time::timeout(self.response_timeout, async {
                tokio::select! {
                    () = self.subscriptions.changed() => false,
                    () = self.receiver.ended.notified() => true,
                }
            });
            let result = match idle.await {
                Ok(false) => Ok(()),
                Ok(true) => Err(Failure::new("the connection was closed")),
                Err(_) => self.watched(ping(&mut connection)).await,
            };
            if let Err(failure) = result {
                return failure;
            }
        }
    }

    /// Tells Redis of all changes.
    async fn settle(
        &self,
        connection: &mut MultiplexedConnection,
        current: &mut HashSet<UserId>,
    ) -> Result<(), Failure> {
        while !self.subscriptions.is_settled() {
            let changes = self.subscriptions.changes(current, BATCH);
            if !changes.unsubscribe.is_empty() {
                let names = self.names(&changes.unsubscribe);
                self.watched(connection.unsubscribe(names)).await?;
                for user in &changes.unsubscribe {
                    current.remove(user);
                }
            }
            if !changes.subscribe.is_empty() {
                let names = self.names(&changes.subscribe);
                self.watched(connection.subscribe(names)).await?;
                current.extend(&changes.subscribe);
                self.subscriptions.confirm(&changes.subscribe);
            }
        }
        Ok(())
    }

    fn names(&self, users: &[UserId]) -> Vec<String> {
        users.iter().map(|user| self.channels.of(*user)).collect()
    }

    /// Waits for an answer for as long as Redis sends anything at all.
    async fn watched<E: Into<Failure>>(
        &self,
        answer: impl Future<Output = Result<(), E>>,
    ) -> Result<(), Failure> {
        tokio::pin!(answer);
        let mut before = self.receiver.count();
        loop {
            match tokio::time::timeout(self.response_timeout, &mut answer).await {
                Ok(result) => {
                    if result.is_ok() {
                        self.receiver.alive();
                    }
                    return result.map_err(Into::into);
                }
                Err(_) => {
                    let count = self.receiver.count();
                    if count == before {
                        return Err(Failure::new("no answer within bus.redis.response_timeout"));
                    }
                    before = count;
                }
            }
        }
    }
}

async fn ping(connection: &mut MultiplexedConnection) -> redis::RedisResult<()> {
    redis::cmd("PING").query_async(connection).await
}
