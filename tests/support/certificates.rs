//! A certificate authority of one test, by the `openssl` command.

use std::{
    fs, io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpSocket, TcpStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

/// Issues certificates for `localhost` and 127.0.0.1.
pub struct Authority {
    folder: TempDir,
}

/// A certificate and its key.
pub struct Issued {
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl Authority {
    /// A new one.
    pub fn new() -> Self {
        let authority = Self { folder: tempfile::tempdir().expect("a folder") };
        let request = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=tests \
                       -keyout ca.key -out ca.pem -days 3650";
        authority.openssl(request);
        let extensions =
            "subjectAltName=DNS:localhost,IP:127.0.0.1\nbasicConstraints=critical,CA:FALSE\n";
        fs::write(authority.folder.path().join("extensions"), extensions).expect("written");
        authority
    }

    fn openssl(&self, arguments: &str) {
        let mut command = Command::new("openssl");
        let command = command.args(arguments.split_whitespace()).current_dir(self.folder.path());
        let output = command.output().expect("openssl runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// A certificate that is good for so many days from now: fewer than 0, and it has expired.
    pub fn issue(&self, name: &str, days: i32) -> Issued {
        self.issue_for("ec -pkeyopt ec_paramgen_curve:P-256", name, days)
    }

    /// The same for another kind of key.
    pub fn issue_for(&self, kind: &str, name: &str, days: i32) -> Issued {
        self.openssl(&format!(
            "req -newkey {kind} -nodes -subj /CN=localhost -keyout {name}.key -out {name}.csr"
        ));
        self.openssl(&format!(
            "x509 -req -in {name}.csr -CA ca.pem -CAkey ca.key -CAcreateserial \
             -extfile extensions -days {days} -out {name}.pem"
        ));
        Issued {
            certificate: self.path(&format!("{name}.pem")),
            key: self.path(&format!("{name}.key")),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The authority's own certificate, to trust.
    pub fn file(&self) -> PathBuf {
        self.path("ca.pem")
    }

    /// A client that trusts nobody else.
    pub fn client(
        &self,
        versions: &[&'static SupportedProtocolVersion],
        alpn: &[&str],
    ) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(self.file()).expect("PEM")).expect("a root");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider);
        let config = config.with_protocol_versions(versions).expect("versions");
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        Arc::new(config).into()
    }

    /// A connection to `host:port` within TLS of any version.
    pub async fn connect(&self, address: &str) -> io::Result<TlsStream<TcpStream>> {
        connect(&self.client(rustls::DEFAULT_VERSIONS, &["http/1.1"]), address).await
    }

    /// A way to `host:port` for clients that speak no TLS: its own `host:port`.
    pub async fn tunnel(&self, address: &str) -> String {
        self.tunnel_from(Ipv4Addr::LOCALHOST.into(), address).await
    }

    /// The same for clients on another address of this machine.
    pub async fn tunnel_from(&self, source: IpAddr, address: &str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let local = listener.local_addr().expect("bound").to_string();
        let (connector, address) =
            (self.client(rustls::DEFAULT_VERSIONS, &["http/1.1"]), address.to_owned());
        tokio::spawn(async move {
            while let Ok((mut plain, _)) = listener.accept().await {
                let (connector, address) = (connector.clone(), address.clone());
                tokio::spawn(async move {
                    if let Ok(mut within) = connect_from(source, &connector, &address).await {
                        let _ = copy_bidirectional(&mut plain, &mut within).await;
                    }
                });
            }
        });
        local
    }
}

/// A connection to `host:port` within TLS.
pub async fn connect(connector: &TlsConnector, address: &str) -> io::Result<TlsStream<TcpStream>> {
    connect_from(Ipv4Addr::LOCALHOST.into(), connector, address).await
}

async fn connect_from(
    source: IpAddr,
    connector: &TlsConnector,
    address: &str,
) -> io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::new(source, 0))?;
    let stream = socket.connect(address.parse().expect("an address")).await?;
    connector.connect(ServerName::try_from("localhost").expect("a name"), stream).await
}

/// The certificate that a server showed.
pub fn shown(stream: &TlsStream<TcpStream>) -> Vec<u8> {
    let chain = stream.get_ref().1.peer_certificates().expect("a handshake");
    chain.first().expect("a certificate").to_vec()
}

/// The certificate that a file holds.
pub fn held(file: &Path) -> Vec<u8> {
    CertificateDer::from_pem_file(file).expect("PEM").to_vec()
}
