//! Whoever connects to the daemon by a name, and trusts some roots.

use std::{io, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Somebody with one root or more, in PEM.
#[derive(Clone)]
pub struct Visitor(TlsConnector);

impl Visitor {
    /// Speaks HTTP.
    pub fn new(root: &str) -> Self {
        Self::speaking(root, "http/1.1")
    }

    /// Offers this protocol alone.
    pub fn speaking(root: &str, protocol: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for root in CertificateDer::pem_slice_iter(root.as_bytes()) {
            roots.add(root.expect("PEM")).expect("a root");
        }
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().expect("versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Self(Arc::new(config).into())
    }

    /// A connection to `host:port`, which must be `name`.
    pub async fn connect(&self, address: &str, name: &str) -> io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(address).await?;
        self.0.connect(ServerName::try_from(name.to_owned()).expect("a name"), stream).await
    }

    /// A way there for clients that speak no TLS: its own `host:port`.
    pub async fn tunnel(&self, address: &str, name: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let local = listener.local_addr().expect("bound").to_string();
        let (visitor, address) = (self.clone(), address.to_owned());
        tokio::spawn(async move {
            while let Ok((mut plain, _)) = listener.accept().await {
                let (visitor, address) = (visitor.clone(), address.clone());
                tokio::spawn(async move {
                    if let Ok(mut within) = visitor.connect(&address, name).await {
                        let _ = copy_bidirectional(&mut plain, &mut within).await;
                    }
                });
            }
        });
        local
    }
}
