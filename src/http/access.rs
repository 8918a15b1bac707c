//! From where the API may be used, who is there, and TLS: what of it a reload can change.

use std::sync::Arc;

use rustls::ServerConfig;

use super::{origin::AllowedOrigins, proxies::TrustedProxies};
use crate::{config::Server, tls};

/// The sites that may use the API from a browser, the proxies that speak for clients, and the
/// certificate that clients are shown.
#[derive(Debug)]
pub struct Access {
    pub(super) origins: AllowedOrigins,
    pub(super) proxies: TrustedProxies,
    tls: Option<Arc<tls::Server>>,
}

impl Access {
    /// As `server` says, whose certificate this is.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(server: &Server, certificate: Option<tls::Pair>) -> Result<Self, rustls::Error> {
        Ok(Self {
            origins: AllowedOrigins::new(&server.allowed_origins),
            proxies: TrustedProxies::new(&server.trusted_proxies),
            tls: certificate.map(tls::Server::new).transpose()?.map(Arc::new),
        })
    }

    /// What of `new` takes effect without a restart. Other files than those of `old` do not; what
    /// the same files now hold does.
    pub fn replace(&self, old: &Server, new: &Server, certificate: Option<tls::Pair>) {
        self.origins.replace(&new.allowed_origins);
        self.proxies.replace(&new.trusted_proxies);
        let same = old.tls.files() == new.tls.files();
        if let (Some(tls), Some(pair), true) = (&self.tls, certificate, same) {
            tls.replace(pair);
        }
    }

    /// Takes up a renewed certificate, for ever; done at once without TLS.
    pub fn watch(&self, server: &Server) -> impl Future<Output = ()> + Send + use<> {
        let watched = self.tls.clone().zip(server.tls.files());
        let interval = server.tls.check_interval.0;
        async move {
            if let Some((tls, files)) = watched {
                tls::watch(tls, files, interval).await;
            }
        }
    }

    /// What TLS handshakes are made with; `None` without TLS.
    pub(super) fn tls(&self) -> Option<&Arc<ServerConfig>> {
        self.tls.as_deref().map(tls::Server::config)
    }
}
