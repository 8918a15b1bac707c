//! The answers to an ACME server that asks whether a domain is ours (TLS-ALPN-01, RFC 8737).

use std::{collections::BTreeMap, fmt, sync::Arc};

use arc_swap::ArcSwapOption;
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::{self, sign::any_ecdsa_type},
    pki_types::PrivatePkcs8KeyDer,
    server::{ClientHello, NoServerSessionStorage},
    sign::{CertifiedKey, SingleCertAndKey},
};

/// What is spoken after such a handshake: nothing.
const ALPN: &[u8] = b"acme-tls/1";

/// The challenges that wait for their ACME server: none, but while a certificate is ordered.
#[derive(Default)]
pub struct Challenges(ArcSwapOption<BTreeMap<String, Arc<ServerConfig>>>);

impl fmt::Debug for Challenges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.0.load();
        f.debug_list().entries(pending.iter().flat_map(|pending| pending.keys())).finish()
    }
}

impl Challenges {
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.load().is_none()
    }

    /// What to answer an ACME server with that asks for one of them; `None` for everybody else.
    pub fn answer(&self, hello: &ClientHello<'_>) -> Option<Arc<ServerConfig>> {
        // RFC 8737 section 3: this protocol alone is offered.
        let mut offered = hello.alpn()?;
        if (offered.next(), offered.next()) != (Some(ALPN), None) {
            return None;
        }
        let domain = hello.server_name()?.to_ascii_lowercase();
        self.0.load().as_ref()?.get(&domain).cloned()
    }

    /// Answers these from now on, until the result is dropped.
    pub(super) fn open(&self, pending: BTreeMap<String, Arc<ServerConfig>>) -> Open<'_> {
        self.0.store((!pending.is_empty()).then(|| Arc::new(pending)));
        Open(self)
    }
}

/// Challenges that are answered.
pub(super) struct Open<'a>(&'a Challenges);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.0.0.store(None);
    }
}

/// What answers the challenge for `domain`, whose key authorization has this SHA-256: a
/// certificate that nobody vouches for, with the digest in it.
///
/// # Errors
/// What the crypto library says.
pub(super) fn answer(domain: &str, digest: [u8; 32]) -> Result<Arc<ServerConfig>, String> {
    let failed = |error: &dyn fmt::Display| format!("no answer to a challenge: {error}");
    let key = KeyPair::generate().map_err(|error| failed(&error))?;
    let mut params = CertificateParams::new([domain.to_owned()]).map_err(|error| failed(&error))?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let certificate = params.self_signed(&key).map_err(|error| failed(&error))?;
    let key = any_ecdsa_type(&PrivatePkcs8KeyDer::from(key.serialize_der()).into());
    let key = key.map_err(|error| failed(&error))?;
    // Not checked against each other: that would trip over the extension, which is critical.
    let certified = CertifiedKey::new(vec![certificate.der().clone()], key);
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| failed(&error))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.alpn_protocols = vec![ALPN.to_vec()];
    // Nobody comes back, and who has gone at once is no failure.
    config.send_tls13_tickets = 0;
    config.session_storage = Arc::new(NoServerSessionStorage {});
    Ok(Arc::new(config))
}
