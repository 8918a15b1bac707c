//! The tables of the configuration file: every key, with its default and its bounds.
//!
//! A doc comment here is the key's help: it appears in the JSON Schema and, word for word, in
//! `config/confab.toml`.
#![allow(rustdoc::bare_urls, reason = "the help of a key is plain text")]

use std::{net::SocketAddr, path::PathBuf};

use confab_plugin::{ByteSize, Duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    bus::Bus, entry::PluginEntry, limits::Limits, secret::Secret, telemetry::Telemetry, tls::Tls,
};

/// The whole configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Addresses, the web chat, and how the daemon stops.
    pub server: Server,
    /// Tokens and passwords.
    pub auth: Auth,
    /// What one client may ask of the daemon.
    pub limits: Limits,
    /// Where messages are kept.
    pub store: Store,
    /// How events reach the other nodes.
    pub bus: Bus,
    /// What the daemon says of itself.
    pub log: Log,
    /// Traces for OpenTelemetry.
    pub telemetry: Telemetry,
    /// The chain: every event passes these entries in this order.
    pub plugins: Vec<PluginEntry>,
}

impl Default for Config {
    /// Without any configuration, events are counted and logged.
    fn default() -> Self {
        Self {
            server: Server::default(),
            auth: Auth::default(),
            limits: Limits::default(),
            store: Store::default(),
            bus: Bus::default(),
            log: Log::default(),
            telemetry: Telemetry::default(),
            plugins: PluginEntry::DEFAULT_CHAIN.map(PluginEntry::of).to_vec(),
        }
    }
}

/// `[server]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Server {
    /// Where apps and browsers connect.
    #[schemars(extend("format" = "confab-address"))]
    pub listen: SocketAddr,
    /// Where Prometheus, health checks and the operator connect: /metrics, /healthz, /readyz,
    /// /reload. Keep it private.
    #[schemars(extend("format" = "confab-address"))]
    pub admin_listen: SocketAddr,
    /// Serve the web chat at /.
    pub web: bool,
    /// Serve the API description at /openapi.json and a page to try it at /docs.
    pub docs: bool,
    /// Other sites whose pages may use this server from a browser, such as
    /// "https://chat.example.org"; "*" allows all. The server's own pages always may.
    pub allowed_origins: Vec<String>,
    /// Proxies before this server, as addresses and networks such as "127.0.0.1" and
    /// "10.0.0.0/8". What they say of a client's address in X-Forwarded-For is believed, and their
    /// own connections do not count for connections_per_address.
    pub trusted_proxies: Vec<String>,
    /// TLS on listen, without a proxy. Used when certificate_file and key_file are given, or names
    /// for ACME.
    pub tls: Tls,
    /// Threads that serve clients; 0 means one for each core. At most 1024.
    pub worker_threads: usize,
    /// On SIGTERM, how long sessions get to receive what is queued before the daemon exits. At
    /// most 1h.
    pub drain_grace: Duration,
    /// How long a reload may take to read the configuration and to start new plugins; then it
    /// fails, and the configuration of before goes on. From 1s to 5m.
    pub reload_timeout: Duration,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 9090)),
            web: true,
            docs: true,
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            tls: Tls::default(),
            worker_threads: 0,
            drain_grace: Duration::from_secs(10),
            reload_timeout: Duration::from_secs(30),
        }
    }
}

/// `[auth]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Auth {
    /// The key that signs tokens with HS256, HS384 or HS512: at least 32 bytes. Better given by
    /// the variable SECRET_KEY or by secret_key_file. Without one, the embedded store makes one
    /// and keeps it beside its data.
    #[schemars(example = "the output of: openssl rand -base64 48")]
    pub secret_key: Option<Secret>,
    /// A file that holds the secret key.
    #[schemars(example = "/etc/confab/secret_key")]
    pub secret_key_file: Option<PathBuf>,
    /// Files that hold further secret keys, of which tokens are accepted and none are made: the
    /// previous ones, until their tokens have expired, and with several nodes the next one, until
    /// all know it. At most 8. Read again at each reload, as secret_key_file is.
    #[schemars(example = ["/etc/confab/secret_key.previous"])]
    pub previous_secret_key_files: Vec<PathBuf>,
    /// What these files hold, once the configuration is read.
    #[serde(skip)]
    pub previous_secret_keys: Vec<Secret>,
    /// How tokens are signed: HS256, HS384, HS512 with the secret key; RS256, ES256 or EdDSA
    /// with private_key_file. Tokens signed in any other way are refused.
    pub algorithm: Algorithm,
    /// For RS256, ES256 and EdDSA: the private key, a PEM file (PKCS#8).
    #[schemars(example = "/etc/confab/private.pem")]
    pub private_key_file: Option<PathBuf>,
    /// For RS256, ES256 and EdDSA: the public key that belongs to it, a PEM file (SPKI).
    #[schemars(example = "/etc/confab/public.pem")]
    pub public_key_file: Option<PathBuf>,
    /// For RS256, ES256 and EdDSA: further public keys, PEM files (SPKI), of which tokens are
    /// accepted: the previous ones, and the next one. At most 8.
    #[schemars(example = ["/etc/confab/public.previous.pem"])]
    pub previous_public_key_files: Vec<PathBuf>,
    /// The "iss" of tokens: who made them.
    pub issuer: String,
    /// The "aud" of tokens: for whom they are.
    pub audience: String,
    /// How long a token is good. A session ends when its token does. From 1m to
    /// max_token_lifetime.
    pub token_lifetime: Duration,
    /// Tokens that claim to be good for longer than this are refused. At most 365days.
    pub max_token_lifetime: Duration,
    /// How long a login can be refreshed after it was last used: /refresh gives a new token for
    /// the refresh token of the last answer, so token_lifetime can be short. Never less than
    /// token_lifetime; 0s means that there are no refresh tokens. At most 365days.
    pub refresh_lifetime: Duration,
    /// For how long a refresh token that was used gives the same answer once more, for a client
    /// that did not get it. Later, it counts as stolen and ends the login. At most 5m.
    pub refresh_grace: Duration,
    /// Logins that one user can refresh; one more ends the one that was not used for longest.
    /// From 1 to 10000.
    pub logins_per_user: usize,
    /// How far the clocks of machines that share the key may differ. At most 5m.
    pub leeway: Duration,
    /// How often a node asks the store which accounts were changed, by other nodes or by
    /// "confab user". At most this later a disabled account, a new password or a logout from
    /// everywhere ends sessions there and has older tokens refused. From 10ms to 1m.
    pub account_poll: Duration,
    /// The fewest characters of a new password. From 1 to 64.
    pub min_password_length: usize,
    /// argon2id: memory of one hash. Changed parameters are taken up at each user's next login.
    /// From 8MiB to 1GiB.
    pub argon2_memory: ByteSize,
    /// argon2id: passes over the memory. From 1 to 100.
    pub argon2_iterations: u32,
    /// argon2id: lanes. From 1 to 16.
    pub argon2_parallelism: u32,
    /// Passwords hashed at the same time, each with argon2_memory; 0 means one for each core.
    /// At most 1024.
    pub hash_concurrency: usize,
    /// Logins and registrations that may wait for a hash; one more gets 503. At most 100000.
    pub hash_queue: usize,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            secret_key: None,
            secret_key_file: None,
            previous_secret_key_files: Vec::new(),
            previous_secret_keys: Vec::new(),
            algorithm: Algorithm::HS256,
            private_key_file: None,
            public_key_file: None,
            previous_public_key_files: Vec::new(),
            issuer: "confab".into(),
            audience: "confab".into(),
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            max_token_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            refresh_lifetime: Duration::from_secs(30 * 24 * 60 * 60),
            refresh_grace: Duration::from_secs(30),
            logins_per_user: 32,
            leeway: Duration::from_secs(30),
            account_poll: Duration::from_millis(250),
            min_password_length: 8,
            argon2_memory: ByteSize::mib(19),
            argon2_iterations: 2,
            argon2_parallelism: 1,
            hash_concurrency: 0,
            hash_queue: 256,
        }
    }
}

/// How tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Algorithm {
    /// HMAC with SHA-256.
    HS256,
    /// HMAC with SHA-384.
    HS384,
    /// HMAC with SHA-512.
    HS512,
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// Ed25519.
    EdDSA,
}

/// `[store]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Store {
    /// The folder of the embedded store; made when it is missing.
    pub path: PathBuf,
    /// Connections that read from the embedded store at the same time. From 1 to 64.
    pub readers: usize,
    /// The most changes in one transaction of the embedded store. From 1 to 100000.
    pub batch: usize,
    /// How long a query may wait for the embedded store. From 100ms to 5m.
    pub timeout: Duration,
    /// MongoDB instead of the embedded store, so that many daemons serve one chat. Used when
    /// uri or uri_file is given.
    pub mongo: Mongo,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            path: PathBuf::from("confab-data"),
            readers: 4,
            batch: 4096,
            timeout: Duration::from_secs(5),
            mongo: Mongo::default(),
        }
    }
}

/// `[store.mongo]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mongo {
    /// Where MongoDB is, with user, password, TLS and replica set: mongodb://… or
    /// mongodb+srv://…. Better given by the variable MONGO_URI or by uri_file. What it says of
    /// pool size and timeouts wins over the keys here; what it says of read and write concerns
    /// does not count.
    #[schemars(example = "mongodb://confab:password@a.example,b.example/?replicaSet=rs0&tls=true")]
    pub uri: Option<Secret>,
    /// A file that holds the URI.
    #[schemars(example = "/etc/confab/mongo_uri")]
    pub uri_file: Option<PathBuf>,
    /// The database: 1 to 63 bytes, without white space and any of / \ . " $ * < > : | ?.
    pub database: String,
    /// per_pair: a collection for each two users, named by both. single: one collection for all
    /// messages, which can be sharded; for more than some ten thousand pairs.
    pub layout: MongoLayout,
    /// How long opening a connection may take. From 100ms to 1m.
    pub connect_timeout: Duration,
    /// How long to look for a primary before a call fails. From 100ms to 1m.
    pub server_selection_timeout: Duration,
    /// How long one call may take in all; then it fails. From 100ms to 1m.
    pub operation_timeout: Duration,
    /// The most connections to one server of MongoDB. From 1 to 10000.
    pub pool_size: u32,
    /// Batches of messages on their way to MongoDB at the same time. From 1 to 1024.
    pub lanes: usize,
}

impl Default for Mongo {
    fn default() -> Self {
        Self {
            uri: None,
            uri_file: None,
            database: "confab".into(),
            layout: MongoLayout::PerPair,
            connect_timeout: Duration::from_secs(5),
            server_selection_timeout: Duration::from_secs(5),
            operation_timeout: Duration::from_secs(5),
            pool_size: 64,
            lanes: 64,
        }
    }
}

/// How messages are laid out in MongoDB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MongoLayout {
    /// A collection for each two users.
    PerPair,
    /// One collection for all.
    Single,
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// What to log: error, warn, info, debug or trace, also by module, such as
    /// "info,confab::http=debug". The variable RUST_LOG overrides it.
    pub level: String,
    /// text for people, json for machines: either goes to standard error. journald: with fields
    /// to systemd's journal. auto: journald where standard error is the journal, else text.
    pub format: LogFormat,
    /// Lines that may wait to be written; further ones are dropped and counted. From 128 to
    /// 1000000.
    pub queue: usize,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".into(), format: LogFormat::Text, queue: 16_384 }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// A line for people.
    Text,
    /// A JSON object for machines.
    Json,
    /// An entry of systemd's journal.
    Journald,
    /// `Journald` where standard error goes to the journal, else `Text`.
    Auto,
}
