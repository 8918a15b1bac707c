//! Two daemons on one database and one Redis.

use crate::{mongo::TestDatabase, redis_server, support::Daemon};

/// A good key; every node has the same.
const KEY: &str = "q8Zk2vW5xY7bN1mC4dF6gH9jK3lP0rT8sU5wX2yZ";

/// What the seed's deployment sets, and no more.
fn seed<'a>(uri: &'a str, database: &'a str, redis: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("SECRET_KEY", KEY),
        ("MONGO_URI", uri),
        ("MONGO_DB", database),
        ("ALGORITHM", "HS256"),
        ("REDIS_URL", redis),
    ]
}

/// Two nodes.
pub struct Cluster {
    pub one: Daemon,
    pub two: Daemon,
    pub database: TestDatabase,
}

impl Cluster {
    /// On the servers that tests share, configured by the five variables alone.
    pub async fn seeds_own() -> Self {
        let database = TestDatabase::new();
        let redis = redis_server::shared_url();
        let cluster = Self::with(database, &redis, &[]);
        cluster.ready().await;
        cluster
    }

    /// On these servers, without a rate limit. A disk may stall for seconds.
    pub async fn on(uri: String, redis: &str) -> Self {
        Self::waiting(uri, redis, "60s", "60s").await
    }

    /// The same, when MongoDB goes away: it is not waited for for long.
    pub async fn impatient(uri: String, redis: &str) -> Self {
        Self::waiting(uri, redis, "2s", "3s").await
    }

    async fn waiting(uri: String, redis: &str, selection: &str, operation: &str) -> Self {
        let more = [
            ("CONFAB_LIMITS__FRAME_RATE", "0"),
            ("CONFAB_STORE__MONGO__SERVER_SELECTION_TIMEOUT", selection),
            ("CONFAB_STORE__MONGO__OPERATION_TIMEOUT", operation),
            ("CONFAB_BUS__REDIS__RESPONSE_TIMEOUT", "1s"),
            ("CONFAB_BUS__REDIS__MAX_BACKOFF", "1s"),
        ];
        let cluster = Self::with(TestDatabase::on(uri), redis, &more);
        cluster.ready().await;
        cluster
    }

    /// The same, with these variables besides; not ready yet.
    pub fn with(database: TestDatabase, redis: &str, more: &[(&str, &str)]) -> Self {
        let mut variables = seed(&database.uri, &database.name, redis);
        variables.extend(more);
        let (one, two) = (Daemon::start_node(&variables), Daemon::start_node(&variables));
        Self { one, two, database }
    }

    /// Waits until both nodes say that they are ready.
    pub async fn ready(&self) {
        for node in [&self.one, &self.two] {
            crate::support::wait::until("a node is ready", async || {
                (node.admin().get("/readyz", None).0 == 200).then_some(())
            })
            .await;
        }
    }
}
