//! TLS for the public listener: a certificate and its key from files, which may be renewed while
//! the daemon runs.

mod pair;
mod server;
mod validity;
mod watch;

pub use pair::{Bad, Files, Pair};
pub use server::{Server, describe_metrics};
pub use watch::watch;
