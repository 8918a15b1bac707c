//! The configuration: typed tables, the layers they come from, and errors that say where.
//!
//! [`load`] is the way in: it gathers the layers, checks each by itself (`schema`, `bounds`,
//! `chain`), merges them, checks the rules between keys (`rules`), and finds the secret key.

mod acme;
mod bounds;
mod bus;
mod chain;
mod changes;
mod document;
mod draft07;
pub mod effective;
mod entry;
mod environment;
mod error;
mod files;
mod fingerprint;
mod given;
pub mod json_schema;
mod layers;
mod limits;
mod load;
mod log_level;
mod mongo_uri;
mod network;
mod placement;
mod previous_keys;
mod redis_url;
pub mod reference;
mod rules;
mod schema;
pub mod secret;
mod secret_key;
pub mod sections;
mod sensitive;
mod source;
pub mod strict;
pub(crate) mod suggest;
mod tables;
pub mod telemetry;
pub mod template;
mod tls;
mod variables;
mod web_origin;

#[cfg(test)]
mod tests;

pub use bus::{Bus, Redis};
pub(crate) use chain::is_label;
pub use changes::{Change, changes};
pub use entry::{Mode, OnError, PluginEntry};
pub use environment::{DEFAULT_FILE, Environment};
pub use error::{ConfigError, ConfigErrors, Warning, escape};
pub use fingerprint::Fingerprint;
pub use layers::{Origin, Origins};
pub use limits::Limits;
pub use load::{Flags, Loaded, Sources, load};
pub use network::Network;
pub use secret::Secret;
pub use sections::{Algorithm, Auth, Config, Log, LogFormat, Mongo, MongoLayout, Server, Store};
pub(crate) use source::columns;
pub use tls::Tls;
