//! What the daemon prints when it has started.

use std::{io::Write, net::SocketAddr};

use crate::config::Config;

/// Tells people where to go; scripts may read the addresses here when a port was 0.
pub fn announce(config: &Config, public: SocketAddr, admin: SocketAddr) {
    let scheme = if config.server.tls.is_on() { "https" } else { "http" };
    let mut lines = format!(
        "confab {}\n  listening on {scheme}://{public}\n  admin on     http://{admin}\n",
        env!("CARGO_PKG_VERSION")
    );
    if config.server.web {
        lines += &format!("  chat at      {scheme}://{public}/\n");
    }
    lines += &match config.store.mongo.uri {
        Some(_) => format!("  data in      MongoDB, {}\n", config.store.mongo.database),
        None => format!("  data in      {}\n", config.store.path.display()),
    };
    // Nobody need be listening.
    let _ = std::io::stdout().lock().write_all(lines.as_bytes());
}
