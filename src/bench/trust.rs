//! Whose certificates the generator takes, when a server speaks TLS.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, pem::PemObject},
};

/// Certificate authorities, and all else that a TLS connection is made with.
#[derive(Clone, Debug)]
pub struct Trust(pub(super) Arc<ClientConfig>);

/// Equal only to itself.
impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Trust {}

impl Trust {
    /// The authorities of this machine.
    ///
    /// # Errors
    /// When it has none.
    pub fn of_system() -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // Some of them may be unreadable or odd; the others do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            return Err("this machine has no certificate authorities (often the package \
                        ca-certificates): name one with --ca FILE"
                .to_owned());
        }
        Self::of(roots)
    }

    /// Those of a PEM file, and no others.
    ///
    /// # Errors
    /// When it can't be read, or holds none.
    pub fn of_file(file: &Path) -> Result<Self, String> {
        let wrong = |why: &dyn std::fmt::Display| format!("--ca {}: {why}", file.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
            let certificate = certificate.map_err(|error| wrong(&error))?;
            roots.add(certificate).map_err(|error| wrong(&error))?;
        }
        if roots.is_empty() {
            return Err(wrong(&"it holds no certificate in PEM"));
        }
        Self::of(roots)
    }

    fn of(roots: RootCertStore) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }
}
