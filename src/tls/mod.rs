//! TLS for the public listener: a certificate and its key, from files that may be renewed while
//! the daemon runs, or from an ACME server.

mod acme;
mod challenge;
mod pair;
mod server;
mod validity;
mod watch;

pub use acme::{Acme, keep as keep_by_acme, stored as stored_by_acme, trusted as trusted_by_acme};
pub use challenge::Challenges;
pub use pair::{Bad, Files, Pair};
pub use server::{HANDSHAKES, Server, describe_metrics};
pub use watch::watch;
