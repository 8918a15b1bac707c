//! The table `[limits]`: what one client may ask of the daemon, and all of them together.
#![allow(rustdoc::bare_urls, reason = "the help of a key is plain text")]

use confab_plugin::{ByteSize, Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `[limits]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Open connections on the public listener; further ones wait in the kernel's backlog.
    /// From 1 to 10000000.
    pub connections: usize,
    /// Open connections from one address (of an IPv6 network of 64 bits); a further one is closed
    /// at once. Those of server.trusted_proxies do not count; the sessions that they bring count for
    /// the address that they name. From 1 to 10000000.
    pub connections_per_address: usize,
    /// Sessions of one user, over all devices on this node. From 1 to 10000.
    pub sessions_per_user: usize,
    /// From accepting a connection (or the first byte of a further request) until the answer
    /// begins. From 1s to 5m.
    pub request_timeout: Duration,
    /// TLS handshakes that are computed in turn at one time, so that those who chat do not wait for
    /// all of a crowd that comes back. From 1 to 10000.
    pub tls_handshakes: usize,
    /// How long a connection may stay open without a request, or without taking the answer.
    /// From 1s to 1h.
    pub keep_alive: Duration,
    /// What the system may hold of one connection that the daemon has not read yet. Linux takes up
    /// to twice this for it, and no more than net.core.rmem_max. From 4KiB to 64MiB.
    pub receive_buffer: ByteSize,
    /// What the system may hold of one connection that the client has not taken yet, beside its
    /// outbox. Linux takes up to twice this for it, and no more than net.core.wmem_max. A client
    /// far away gets no more than this in each round trip. From 4KiB to 64MiB.
    pub send_buffer: ByteSize,
    /// The body of one HTTP request. From 1KiB to 16MiB.
    pub body: ByteSize,
    /// One WebSocket message from a client. From 1KiB to 16MiB.
    pub frame: ByteSize,
    /// The text of one chat message. From 1B to the size of a frame.
    pub content: ByteSize,
    /// Messages one session may have on their way to the store; then its socket is not read
    /// until one is stored. From 1 to 65536.
    pub in_flight: usize,
    /// What may wait to be written to one slow session: frames. From 16 to 1000000.
    pub outbox_frames: usize,
    /// What may wait to be written to one slow session: bytes. From 16KiB to 1GiB, and no less
    /// than frame and sync.
    pub outbox: ByteSize,
    /// What may wait to be written to all sessions of this node together: bytes. The less of it is
    /// left, the less one slow session may hold. From 1MiB to 64GiB, and no less than outbox.
    pub outboxes: ByteSize,
    /// How long writing to a session may make no progress. From 1s to 10m.
    pub write_timeout: Duration,
    /// How long a session may take to read what waited for it at one moment; one that only drips
    /// is closed. From 1s to 1h.
    pub backlog_timeout: Duration,
    /// How often an idle session is pinged. From 1s to 10m.
    pub ping_interval: Duration,
    /// A session that sends nothing, not even the answer to a ping, is closed after this.
    /// Longer than ping_interval, at most 1h.
    pub idle_timeout: Duration,
    /// How long typing waits after the last that was sent to a session, unless something else is
    /// sent before: people don't see more. From 0s to 10s.
    pub typing_interval: Duration,
    /// Frames a user may send each second over all their sessions on this node, over time; 0
    /// means no limit. At most 1000000.
    pub frame_rate: u32,
    /// Frames a user may send at once before frame_rate applies. From 1 to 1000000.
    pub frame_burst: u32,
    /// Refused frames (malformed, or over the rate) that end a session; a good frame makes up
    /// for one. From 1 to 1000000.
    pub refused_frames: u32,
    /// Logins and registrations from one address each minute, over time; 0 means no limit. At
    /// most 1000000.
    pub auth_rate: u32,
    /// Logins and registrations from one address at once before auth_rate applies. From 1 to
    /// 1000000.
    pub auth_burst: u32,
    /// Sessions that one user may open each minute on this node, over time; 0 means no limit. At
    /// most 1000000.
    pub connect_rate: u32,
    /// Sessions that one user may open at once before connect_rate applies. From 1 to 1000000.
    pub connect_burst: u32,
    /// Messages and read marks that may wait for the store, over all sessions; one more is refused
    /// with "overloaded". One user gets no more than is left free: alone, half. From 1 to 10000000.
    pub store_queue: usize,
    /// The same in bytes: their texts, and 1 KiB for each. From 1MiB to 64GiB, and no less than
    /// frame.
    pub store_queue_bytes: ByteSize,
    /// Items in one page of history or of conversations. From 1 to 1000.
    pub page: usize,
    /// Messages in the answer to one sync. From 1 to 10000.
    pub sync_messages: usize,
    /// Bytes of message text in the answer to one sync; one message always fits. From 1KiB to
    /// 16MiB.
    pub sync: ByteSize,
    /// The highest unread count that is told; beyond it, counting would cost too much. From 1
    /// to 1000000.
    pub unread: usize,
    /// Accounts kept in memory. From 16 to 10000000.
    pub account_cache: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_address: 6_000,
            sessions_per_user: 16,
            request_timeout: Duration::from_secs(10),
            tls_handshakes: 8,
            keep_alive: Duration::from_secs(60),
            receive_buffer: ByteSize::kib(64),
            send_buffer: ByteSize::kib(64),
            body: ByteSize::kib(16),
            frame: ByteSize::kib(64),
            content: ByteSize::kib(16),
            in_flight: 64,
            outbox_frames: 4096,
            outbox: ByteSize::mib(2),
            outboxes: ByteSize::mib(256),
            write_timeout: Duration::from_secs(20),
            backlog_timeout: Duration::from_secs(60),
            ping_interval: Duration::from_secs(25),
            idle_timeout: Duration::from_secs(60),
            typing_interval: Duration::from_millis(100),
            frame_rate: 100,
            frame_burst: 2000,
            refused_frames: 100,
            auth_rate: 60,
            auth_burst: 60,
            connect_rate: 600,
            connect_burst: 600,
            store_queue: 10_000,
            store_queue_bytes: ByteSize::mib(64),
            page: 100,
            sync_messages: 256,
            sync: ByteSize::kib(64),
            unread: 1000,
            account_cache: 10_000,
        }
    }
}
