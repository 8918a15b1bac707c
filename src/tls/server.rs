//! What a TLS handshake is answered with: one configuration for good, and the pair of now.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwap;
use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::pair::{Pair, date};

/// The public listener's TLS: versions 1.2 and 1.3, HTTP/1.1 alone (WebSockets need it).
pub struct Server {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    reloaded: Counter,
    failed: Counter,
}

/// The pair that the next handshake gets.
#[derive(Debug)]
struct Current(ArcSwap<Pair>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.load().certified))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("not_after", &self.pair().not_after()).finish()
    }
}

impl Server {
    /// Answers with `pair`.
    ///
    /// # Errors
    /// When the crypto library has no randomness.
    pub fn new(pair: Pair) -> Result<Self, rustls::Error> {
        let current = Arc::new(Current(ArcSwap::from_pointee(pair)));
        let mut config =
            ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&current) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A client that comes back brings what the daemon needs to know of it: nothing is kept.
        config.ticketer = aws_lc_rs::Ticketer::new()?;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let reloads = |result: &'static str| {
            let counter = counter!("confab_tls_reloads_total", "result" => result);
            counter.absolute(0);
            counter
        };
        let server = Self {
            config: Arc::new(config),
            current,
            reloaded: reloads("success"),
            failed: reloads("failure"),
        };
        server.show();
        Ok(server)
    }

    /// What handshakes are made with.
    pub fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }

    /// The pair of now.
    pub fn pair(&self) -> Arc<Pair> {
        self.current.0.load_full()
    }

    /// From the next handshake on, answers with `pair`. Connections that are open go on.
    pub fn replace(&self, pair: Pair) {
        if *self.pair() == pair {
            return;
        }
        let good_until = date(pair.not_after());
        if let Some(expired) = pair.expired() {
            tracing::warn!("the certificate {expired}");
        }
        self.current.0.store(Arc::new(pair));
        self.reloaded.increment(1);
        self.show();
        tracing::info!(good_until, "took up a new certificate");
    }

    /// Says that there is a new pair which is no good.
    pub(super) fn keep(&self, why: &super::Bad) {
        self.failed.increment(1);
        let good_until = date(self.pair().not_after());
        tracing::error!(%why, good_until, "the certificate of before goes on");
    }

    fn show(&self) {
        gauge!("confab_tls_certificate_expiry_timestamp_seconds")
            .set(self.pair().not_after() as f64);
    }
}

/// What each metric means.
pub fn describe_metrics() {
    describe_gauge!(
        "confab_tls_certificate_expiry_timestamp_seconds",
        Unit::Seconds,
        "Until when the public listener's certificate is good."
    );
    describe_counter!(
        "confab_tls_reloads_total",
        "Times that the certificate's files had changed, by whether what they hold was taken up."
    );
    describe_counter!("confab_tls_handshakes_total", "TLS handshakes that ended, by result.");
}
