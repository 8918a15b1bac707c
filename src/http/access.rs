//! From where the API may be used, who is there, and TLS: what of it a reload can change.

use std::sync::Arc;

use super::{origin::AllowedOrigins, proxies::TrustedProxies};
use crate::{
    config::{Config, Server},
    tls,
};

/// The sites that may use the API from a browser, the proxies that speak for clients, and the
/// certificate that clients are shown.
#[derive(Debug)]
pub struct Access {
    pub(super) origins: AllowedOrigins,
    pub(super) proxies: TrustedProxies,
    tls: Option<Arc<tls::Server>>,
}

impl Access {
    /// As `config` says, whose certificate this is, if there is one yet.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(config: &Config, certificate: Option<tls::Pair>) -> Result<Self, rustls::Error> {
        let server = &config.server;
        let tls = server.tls.is_on().then(|| tls::Server::new(certificate)).transpose()?;
        Ok(Self {
            origins: AllowedOrigins::new(&server.allowed_origins),
            proxies: TrustedProxies::new(&server.trusted_proxies),
            tls: tls.map(Arc::new),
        })
    }

    /// What of `new` takes effect without a restart. Other files than those of `old` do not; what
    /// the same files now hold does.
    pub fn replace(&self, old: &Server, new: &Server, certificate: Option<tls::Pair>) {
        self.origins.replace(&new.allowed_origins);
        self.proxies.replace(&new.trusted_proxies);
        let same = old.tls.files().is_some_and(|files| new.tls.files() == Some(files));
        if let (Some(tls), Some(pair), true) = (&self.tls, certificate, same) {
            tls.replace(pair);
        }
    }

    /// Takes up a renewed certificate, or gets one, for ever; done at once without TLS.
    pub fn watch(&self, config: &Config) -> impl Future<Output = ()> + Send + use<> {
        let (tls, files, acme) = (self.tls.clone(), config.server.tls.files(), config.acme());
        let interval = config.server.tls.check_interval.0;
        async move {
            match (tls, files, acme) {
                (Some(tls), Some(files), _) => tls::watch(tls, files, interval).await,
                (Some(tls), None, Some(acme)) => tls::keep_by_acme(tls, acme).await,
                _ => {}
            }
        }
    }

    /// What TLS handshakes are made with; `None` without TLS.
    pub(super) fn tls(&self) -> Option<&Arc<tls::Server>> {
        self.tls.as_ref()
    }
}
