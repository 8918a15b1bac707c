//! The table `[bus.redis]`: how nodes reach each other.
#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "the help of a key is plain text"
)]

use std::path::PathBuf;

use confab_plugin::{ByteSize, Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::Secret;

/// `[bus]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Bus {
    /// The Redis that carries events between the nodes; without one, there is one node.
    pub redis: Redis,
}

/// `[bus.redis]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Redis {
    /// The Redis, 6 or newer, that connects the nodes: redis://user:password@host:port, or
    /// rediss:// for TLS. Better given by the variable REDIS_URL or by url_file. It needs MongoDB:
    /// the embedded store belongs to one node.
    #[schemars(example = "redis://confab:password@redis.example.org")]
    pub url: Option<Secret>,
    /// A file that holds the URL.
    #[schemars(example = "/etc/confab/redis_url")]
    pub url_file: Option<PathBuf>,
    /// The begin of the names of all channels, so that several deployments can share a Redis:
    /// 1 to 64 of a-z A-Z 0-9 . _ -
    pub prefix: String,
    /// The most connections that publish. Order needs only one at a time; the others are for
    /// when that one fails. From 1 to 64.
    pub pool_size: usize,
    /// How long connecting may take, with TLS and signing in. From 100ms to 1m.
    pub connect_timeout: Duration,
    /// How long Redis may take to answer before the connection is given up. Redis is asked as
    /// often whether it is there. From 100ms to 1m.
    pub response_timeout: Duration,
    /// What may wait for Redis: frames. Then the oldest are dropped, and their users get them
    /// from the store. From 1 to 10000000.
    pub queue: usize,
    /// What may wait for Redis: bytes. From 1MiB to 16GiB.
    pub queue_bytes: ByteSize,
    /// The most frames published in one round trip. From 1 to 10000.
    pub batch: usize,
    /// The longest wait between attempts to connect. From 100ms to 1m.
    pub max_backoff: Duration,
}

impl Default for Redis {
    fn default() -> Self {
        Self {
            url: None,
            url_file: None,
            prefix: "confab".into(),
            pool_size: 4,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(2),
            queue: 65_536,
            queue_bytes: ByteSize::mib(64),
            batch: 512,
            max_backoff: Duration::from_secs(5),
        }
    }
}
