//! A load generator that speaks the public protocol to a running server, and measures it.
//!
//! Invariant: nothing here names the daemon. All that is known of the server is what any client
//! sees: so a figure means the same for a server that is not confab.

pub mod error;
pub mod http;
pub mod report;
pub mod socket;
pub mod target;
pub mod verify;
