//! Whether the store can be used, and the task that sees to it.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{Shared, connect::Space, errors::one_line, pause::Pause, schema};
use crate::store::StoreError;

const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Making the indexes of a database that has grown without them may take long.
const ATTEMPT: Duration = Duration::from_secs(300);

/// Whether calls can be carried out.
#[derive(Debug)]
pub(super) enum Readiness {
    /// Not yet, and why.
    Waiting(String),
    /// The database is prepared.
    Ready,
    /// Not any more.
    Closed,
}

impl Default for Readiness {
    fn default() -> Self {
        Self::Waiting("MongoDB has not answered yet".to_owned())
    }
}

/// Prepares the database, however long it takes to reach it.
pub(super) async fn until_ready(shared: Arc<Shared>, stop: CancellationToken) {
    let mut pause = Pause::new(FIRST_PAUSE, LONGEST_PAUSE);
    let mut told = None;
    loop {
        let Some(result) = stop.run_until_cancelled(shared.prepare()).await else {
            return;
        };
        let Err(error) = result else {
            return;
        };
        // A reason is told once; that it goes on is what /readyz is for.
        if told.as_ref() != Some(&error) {
            tracing::warn!(error = %error, "MongoDB cannot be used: trying again until it can");
            told = Some(error);
        }
        if stop.run_until_cancelled(pause.wait()).await.is_none() {
            return;
        }
    }
}

impl Shared {
    /// The database, once it is prepared.
    pub(super) fn space(&self) -> Result<Arc<Space>, StoreError> {
        let why = match &**self.readiness.load() {
            Readiness::Ready => match self.space.get() {
                Some(space) => return Ok(Arc::clone(space)),
                None => "the store has no client".to_owned(),
            },
            Readiness::Waiting(why) => why.clone(),
            Readiness::Closed => "the store is closed".to_owned(),
        };
        Err(StoreError::Unavailable(why))
    }

    pub(super) async fn prepare(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.preparing.lock().await;
        if let Readiness::Ready = **self.readiness.load() {
            return Ok(());
        }
        let result = match timeout(ATTEMPT, self.attempt()).await {
            Ok(Ok(server)) => Ok(server),
            Ok(Err(error)) => Err(one_line(&error)),
            Err(_) => Err("no answer in time".to_owned()),
        };
        let next = match &result {
            Ok(_) => Readiness::Ready,
            Err(why) => Readiness::Waiting(why.clone()),
        };
        let next = Arc::new(next);
        // A store that was closed meanwhile stays so.
        self.readiness.rcu(|now| match **now {
            Readiness::Closed => Arc::clone(now),
            _ => Arc::clone(&next),
        });
        let server = result.map_err(StoreError::Unavailable)?;
        tracing::info!(version = server.version, "MongoDB is ready");
        if server.is_standalone {
            tracing::warn!(
                "this MongoDB is a standalone: it works, but when it is down the chat is, and \
                 what its disk loses is lost; production wants a replica set"
            );
        }
        Ok(())
    }

    async fn attempt(&self) -> Result<schema::Server, mongodb::error::Error> {
        let connect = || async { self.settings.connect().await.map(Arc::new) };
        let space = self.space.get_or_try_init(connect).await?;
        schema::prepare(space).await
    }
}
