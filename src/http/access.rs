//! From where the API may be used, and who is there: what of it a reload can change.

use super::{origin::AllowedOrigins, proxies::TrustedProxies};
use crate::config::Server;

/// The sites that may use the API from a browser, and the proxies that speak for clients.
#[derive(Debug)]
pub struct Access {
    pub(super) origins: AllowedOrigins,
    pub(super) proxies: TrustedProxies,
}

impl Access {
    /// As `server` says.
    pub fn new(server: &Server) -> Self {
        Self {
            origins: AllowedOrigins::new(&server.allowed_origins),
            proxies: TrustedProxies::new(&server.trusted_proxies),
        }
    }

    /// From here on, as this says.
    pub fn replace(&self, server: &Server) {
        self.origins.replace(&server.allowed_origins);
        self.proxies.replace(&server.trusted_proxies);
    }
}
