//! The connections that publish.

use std::time::Duration;

use bb8_redis::{
    bb8::{self, ErrorSink, ManageConnection, PooledConnection, RunError},
    redis::{self, AsyncConnectionConfig, Pipeline, aio::MultiplexedConnection},
};
use tokio::sync::mpsc;

use super::server::{Failure, Server};
use crate::config;

/// A pool of connections to one server.
pub struct Pool {
    pool: bb8::Pool<Manager>,
    /// What the pool could not do, told here because the pool itself only says that it took long.
    failures: mpsc::Receiver<Failure>,
}

impl Pool {
    /// A pool that connects when it is first used.
    pub fn new(server: Server, config: &config::Redis) -> Self {
        let (sink, failures) = mpsc::channel(1);
        let most = u32::try_from(config.pool_size).unwrap_or(u32::MAX);
        let pool = bb8::Pool::builder()
            .max_size(most)
            // Connecting again is the publisher's, which knows how long to wait.
            .retry_connection(false)
            .connection_timeout(config.connect_timeout.0.saturating_add(Duration::from_secs(1)))
            // A round trip for each batch would tell what the batch itself tells.
            .test_on_check_out(false)
            .error_sink(Box::new(Sink(sink)))
            .build_unchecked(Manager { server, response_timeout: config.response_timeout.0 });
        Self { pool, failures }
    }

    /// Sends a pipeline and waits for its answers; an empty one only asks whether Redis answers.
    ///
    /// # Errors
    /// When some of it may not have been taken. Its connection is then given up.
    pub async fn send(&mut self, pipeline: &Pipeline) -> Result<(), Failure> {
        let mut connection = self.get().await?;
        // Until it has answered, so that a cancelled call leaves nothing half-read behind.
        connection.broken = true;
        let inner = &mut connection.inner;
        if pipeline.is_empty() {
            redis::cmd("PING").query_async::<()>(inner).await?;
        } else {
            pipeline.query_async::<()>(inner).await?;
        }
        connection.broken = false;
        Ok(())
    }

    async fn get(&mut self) -> Result<PooledConnection<'_, Manager>, Failure> {
        while self.failures.try_recv().is_ok() {}
        tokio::select! {
            biased;
            got = self.pool.get() => got.map_err(|error| match error {
                RunError::User(failure) => failure,
                RunError::TimedOut => Failure::new("no connection in time"),
            }),
            Some(failure) = self.failures.recv() => Err(failure),
        }
    }
}

/// One pooled connection.
pub struct Connection {
    inner: MultiplexedConnection,
    broken: bool,
}

/// Makes connections with our own time limits.
struct Manager {
    server: Server,
    response_timeout: Duration,
}

impl ManageConnection for Manager {
    type Connection = Connection;
    type Error = Failure;

    async fn connect(&self) -> Result<Connection, Failure> {
        let limits = AsyncConnectionConfig::new().set_response_timeout(Some(self.response_timeout));
        let inner = self.server.connect(limits).await?;
        Ok(Connection { inner, broken: false })
    }

    async fn is_valid(&self, connection: &mut Connection) -> Result<(), Failure> {
        redis::cmd("PING").query_async::<()>(&mut connection.inner).await?;
        Ok(())
    }

    fn has_broken(&self, connection: &mut Connection) -> bool {
        connection.broken
    }
}

#[derive(Clone, Debug)]
struct Sink(mpsc::Sender<Failure>);

impl ErrorSink<Failure> for Sink {
    fn sink(&self, failure: Failure) {
        // The first one is enough.
        let _ = self.0.try_send(failure);
    }

    fn boxed_clone(&self) -> Box<dyn ErrorSink<Failure>> {
        Box::new(self.clone())
    }
}
