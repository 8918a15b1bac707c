//! confab, a chat daemon that hosts plugins. The modules in reading order, from the floor that
//! knows nobody to the one that knows everyone.

// Floor 2: a client of the public protocol, which knows nothing of the daemon.
pub mod bench;

// Floor 3: the nouns, and the traits of what can be replaced.
pub mod bus;
pub mod chain;
pub mod code;
pub mod config;
pub mod latency;
pub mod probe;
pub mod rate;
pub mod store;
pub mod tls;
pub mod trace;
pub mod turns;
pub mod values;
pub mod wire;

// Floor 4: who somebody is, and which plugins there are.
pub mod auth;
pub mod directory;
pub mod registry;

// Floor 5: the way of an event, and who is connected.
pub mod admission;
pub mod dispatch;
pub mod hub;

// Floor 6: the API.
pub mod http;

// Floor 7: the daemon and its commands.
pub mod announce;
pub mod app;
pub mod cli;
pub mod descriptors;
pub mod exposition;
pub mod listeners;
pub mod migrate;
pub mod reload;
pub mod shutdown;
pub mod systemd;
pub mod telemetry;
