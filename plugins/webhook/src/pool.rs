//! The connections to the service: those that wait for a request, and those being made.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::{Notify, Semaphore, oneshot};

use crate::{
    connect::{Connection, Connector},
    http::Failure,
};

/// The most connections that wait for a request.
const MAX_PARKED: usize = 64;
/// How long a connection may wait for a request.
const MAX_AGE: Duration = Duration::from_secs(60);
/// How many connections are made at a time.
const DIALS: usize = 64;

/// The connections to one service. Cheap to clone.
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

struct Shared {
    connector: Connector,
    parked: Mutex<Vec<Connection>>,
    returned: Notify,
    dials: Arc<Semaphore>,
}

impl Shared {
    /// The connections that wait, without those that are closed or waited too long.
    fn parked(&self) -> MutexGuard<'_, Vec<Connection>> {
        let mut parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner);
        parked.retain(|connection| {
            !connection.sender.is_closed()
                && connection.parked.is_some_and(|since| since.elapsed() < MAX_AGE)
        });
        parked
    }

    fn park(&self, mut connection: Connection) {
        connection.parked = Some(Instant::now());
        let mut parked = self.parked();
        if parked.len() < MAX_PARKED {
            parked.push(connection);
            self.returned.notify_one();
        }
    }
}

impl Pool {
    /// No connections yet.
    pub fn new(connector: Connector) -> Self {
        let dials = Arc::new(Semaphore::new(DIALS));
        Self(Arc::new(Shared {
            connector,
            parked: Mutex::default(),
            returned: Notify::new(),
            dials,
        }))
    }

    /// A connection that waits, or a new one, or one that comes back while that is being made.
    ///
    /// # Errors
    /// When none can be made.
    pub async fn take(&self) -> Result<Connection, Failure> {
        if let Some(connection) = self.0.parked().pop() {
            return Ok(connection);
        }
        let mut dialled = std::pin::pin!(self.dial());
        loop {
            tokio::select! {
                connection = &mut dialled => return connection,
                () = self.0.returned.notified() => {
                    if let Some(connection) = self.0.parked().pop() {
                        return Ok(connection);
                    }
                }
            }
        }
    }

    /// A new connection. If nobody waits for it any longer, it is still made, and parked: or a
    /// time limit shorter than a TLS handshake would let none ever come about.
    ///
    /// # Errors
    /// When it can't be made.
    pub async fn dial(&self) -> Result<Connection, Failure> {
        let gone = |_| Failure::new("the daemon is stopping");
        let place = Arc::clone(&self.0.dials).acquire_owned().await;
        let place = place.map_err(|_| Failure::new("the daemon is stopping"))?;
        let shared = Arc::clone(&self.0);
        let (wanted, dialled) = oneshot::channel();
        tokio::spawn(async move {
            let _place = place;
            if let Err(Ok(unwanted)) = wanted.send(shared.connector.connect().await) {
                shared.park(unwanted);
            }
        });
        dialled.await.map_err(gone)?
    }

    /// Takes a connection back, for the next request.
    pub fn park(&self, connection: Connection) {
        self.0.park(connection);
    }

    /// Makes no more connections, and closes those that wait.
    pub fn close(&self) {
        self.0.dials.close();
        self.0.parked().clear();
    }
}
