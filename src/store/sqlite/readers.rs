//! The connections that read. Each query runs on the blocking pool with a connection of its own,
//! and a bounded number of them at a time; every query is bounded by its limits, so none is
//! interrupted.

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rusqlite::Connection;
use tokio::{sync::Semaphore, time::timeout};

use super::{
    connection::{self, Role},
    open::one_line,
};
use crate::store::StoreError;

/// A bounded set of connections that read.
pub(super) struct Readers {
    path: PathBuf,
    count: u32,
    timeout: Duration,
    permits: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Connection>>>,
}

impl Readers {
    /// Connections are opened as they are needed, at most `count`.
    pub(super) fn new(path: PathBuf, count: usize, timeout: Duration) -> Self {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        let permits = Arc::new(Semaphore::new(count as usize));
        Self { path, count, timeout, permits, idle: Arc::default() }
    }

    /// Runs a query. Waits at most the configured time for a connection and the answer.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&mut Connection) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let unavailable = |why: &str| StoreError::Unavailable(why.to_owned());
        let work = async {
            let permits = self.permits.clone();
            let permit =
                permits.acquire_owned().await.map_err(|_| unavailable("the store is closed"))?;
            let (path, wait) = (self.path.clone(), self.timeout);
            let (idle, open) = (self.idle.clone(), self.permits.clone());
            tokio::task::spawn_blocking(move || {
                // Held until the connection is back, even if the caller no longer waits.
                let _permit = permit;
                let pooled = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
                let mut connection = match pooled {
                    Some(connection) => connection,
                    None => connection::open_for(Role::Reader, &path, wait)?,
                };
                let answer = query(&mut connection);
                // After an error the next query gets a fresh connection.
                if answer.is_ok() && !open.is_closed() {
                    idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
                }
                answer
            })
            .await
            .map_err(|_| unavailable("the query was stopped"))?
            .map_err(|error| StoreError::Unavailable(one_line(&error)))
        };
        match timeout(self.timeout, work).await {
            Ok(answer) => answer,
            Err(_) => Err(unavailable("no answer in time")),
        }
    }

    /// Lets running queries finish, within the configured time, and closes the connections.
    /// Later queries fail.
    pub(super) async fn close(&self) {
        let all = timeout(self.timeout, self.permits.acquire_many(self.count)).await;
        self.permits.close();
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        drop(all);
    }
}
