//! The configuration: typed tables, the layers they come from, and errors that say where.

pub mod secret;
pub mod sections;

pub use secret::Secret;
pub use sections::{
    Algorithm, Auth, Config, Limits, Log, LogFormat, Mode, OnError, PluginEntry, Server, Store,
};
