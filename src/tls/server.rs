//! What a TLS handshake is answered with: one configuration for good, and the pair of now.

use std::{fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use metrics::{Counter, Unit, counter, describe_counter, describe_gauge, gauge};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs,
    server::{ClientHello, NoServerSessionStorage, ResolvesServerCert},
    sign::CertifiedKey,
};

use super::{
    challenge::Challenges,
    pair::{Pair, date},
};

/// Counts handshakes that ended, by `result`.
pub const HANDSHAKES: &str = "confab_tls_handshakes_total";

/// The public listener's TLS: versions 1.2 and 1.3, HTTP/1.1 alone (WebSockets need it).
pub struct Server {
    config: Arc<ServerConfig>,
    current: Arc<Current>,
    challenges: Challenges,
    reloaded: Counter,
    failed: Counter,
}

/// The pair that the next handshake gets; without one, handshakes fail.
#[derive(Debug)]
struct Current(ArcSwapOption<Pair>);

impl ResolvesServerCert for Current {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.0.load().as_ref().map(|pair| Arc::clone(&pair.certified))
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not_after = self.pair().map(|pair| pair.not_after());
        f.debug_struct("Server").field("not_after", &not_after).finish()
    }
}

impl Server {
    /// Answers with `pair`; without one, with an error until there is one.
    ///
    /// # Errors
    /// When the crypto library has no randomness.
    pub fn new(pair: Option<Pair>) -> Result<Self, rustls::Error> {
        let current = Arc::new(Current(ArcSwapOption::from_pointee(pair)));
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
        for result in ["success", "failure"] {
            counter!(HANDSHAKES, "result" => result).absolute(0);
        }
        let server = Self {
            config: Arc::new(config),
            current,
            challenges: Challenges::default(),
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

    /// The pair of now, once there is one.
    pub fn pair(&self) -> Option<Arc<Pair>> {
        self.current.0.load_full()
    }

    /// What an ACME server is answered with.
    pub fn challenges(&self) -> &Challenges {
        &self.challenges
    }

    /// From the next handshake on, answers with what the files hold now. Connections that are open
    /// go on.
    pub fn replace(&self, pair: Pair) {
        if self.take(pair) {
            self.reloaded.increment(1);
        }
    }

    /// From the next handshake on, answers with `pair`; says whether that is news.
    pub(super) fn take(&self, pair: Pair) -> bool {
        if self.pair().is_some_and(|current| *current == pair) {
            return false;
        }
        let good_until = date(pair.not_after());
        if let Some(expired) = pair.expired() {
            tracing::warn!("the certificate {expired}");
        }
        self.current.0.store(Some(Arc::new(pair)));
        self.show();
        tracing::info!(good_until, "took up a new certificate");
        true
    }

    /// Says that there is a new pair which is no good.
    pub(super) fn keep(&self, why: &super::Bad) {
        self.failed.increment(1);
        let good_until = self.pair().map(|pair| date(pair.not_after()));
        tracing::error!(%why, good_until, "the certificate of before goes on");
    }

    fn show(&self) {
        if let Some(pair) = self.pair() {
            gauge!("confab_tls_certificate_expiry_timestamp_seconds").set(pair.not_after() as f64);
        }
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
    describe_counter!(HANDSHAKES, "TLS handshakes that ended, by result.");
    describe_counter!(
        "confab_tls_acme_orders_total",
        "Certificates that were asked for by ACME, by whether they came."
    );
}
