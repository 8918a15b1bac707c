//! The configuration: typed tables, the layers they come from, and errors that say where.

mod entry;
pub mod secret;
pub mod sections;

pub use entry::{Mode, OnError, PluginEntry};
pub use secret::Secret;
pub use sections::{Algorithm, Auth, Config, Limits, Log, LogFormat, Server, Store};
