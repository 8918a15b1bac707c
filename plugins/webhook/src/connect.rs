//! Makes connections to the service: the look-up of its name, TCP, TLS.

use std::{
    io,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpStream, lookup_host},
    sync::Semaphore,
    task::AbortHandle,
    time::timeout,
};
use tokio_rustls::TlsConnector;

use crate::{http::Failure, target::Target};

/// How many look-ups run at a time: each may hold a thread for as long as the name servers hang,
/// long after nobody waits for it.
const LOOKUPS: usize = 2;
/// The most bytes of an answer's head.
const MAX_HEAD: usize = 32 * 1024;

/// An open connection. Dropping it closes the socket, whatever was under way on it.
pub struct Connection {
    /// Where requests go in.
    pub sender: SendRequest<Full<Bytes>>,
    /// Since when it waits for a request; `None` unless it does or did.
    pub parked: Option<Instant>,
    task: AbortHandle,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What it takes to connect to one service.
pub struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    limit: Duration,
    lookups: Arc<Semaphore>,
}

impl Connector {
    /// For connections to `target` that take at most `limit` to be made. Reads the certificates
    /// in `ca_file`, or the system's, and blocks meanwhile.
    ///
    /// # Errors
    /// When there are no certificates to trust, with the path of the file.
    pub fn new(target: &Target, ca_file: Option<&Path>, limit: Duration) -> Result<Self, String> {
        let tls = match &target.server_name {
            Some(name) => Some((tls(ca_file)?, name.clone())),
            None => None,
        };
        let lookups = Arc::new(Semaphore::new(LOOKUPS));
        Ok(Self { host: target.host.clone(), port: target.port, tls, limit, lookups })
    }

    /// Makes a connection.
    ///
    /// # Errors
    /// When that fails, or takes too long.
    pub async fn connect(&self) -> Result<Connection, Failure> {
        let connected = timeout(self.limit, self.unlimited()).await;
        let connected = connected.map_err(|_| {
            let limit = confab_plugin::Duration(self.limit);
            Failure::new(format!("no connection to the service within {limit}"))
        })?;
        connected.map_err(|error| Failure::because("no connection to the service", &error))
    }

    async fn unlimited(&self) -> io::Result<Connection> {
        let began = Instant::now();
        let addresses = self.look_up().await?;
        let tcp = self.tcp(&addresses, began).await?;
        tcp.set_nodelay(true)?;
        match &self.tls {
            Some((tls, name)) => serve(tls.connect(name.clone(), tcp).await?).await,
            None => serve(tcp).await,
        }
    }

    /// The look-up outlives this call if it must, and keeps its place among the look-ups.
    async fn look_up(&self) -> io::Result<Vec<SocketAddr>> {
        let place = Arc::clone(&self.lookups).acquire_owned().await.map_err(io::Error::other)?;
        let host = (self.host.clone(), self.port);
        let found = tokio::spawn(async move {
            let _place = place;
            Ok(lookup_host(host).await?.collect())
        });
        found.await?
    }

    /// Tries one address after the other; each has its share of the time that is left, so that a
    /// first one that swallows packets does not hide a second that answers.
    async fn tcp(&self, addresses: &[SocketAddr], began: Instant) -> io::Result<TcpStream> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
        for (n, address) in addresses.iter().enumerate() {
            let left = u32::try_from(addresses.len() - n).unwrap_or(u32::MAX);
            let share = self.limit.saturating_sub(began.elapsed()) / left;
            match timeout(share, TcpStream::connect(address)).await {
                Ok(Ok(tcp)) => return Ok(tcp),
                Ok(Err(error)) => last = error,
                Err(_) => last = io::ErrorKind::TimedOut.into(),
            }
        }
        Err(last)
    }
}

/// Runs HTTP on `stream`.
async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
) -> io::Result<Connection> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD);
    let (sender, connection) =
        builder.handshake(TokioIo::new(stream)).await.map_err(io::Error::other)?;
    // What goes wrong is told to whoever waits for an answer.
    let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
    Ok(Connection { sender, parked: None, task })
}

fn tls(ca_file: Option<&Path>) -> Result<TlsConnector, String> {
    let roots = match ca_file {
        Some(file) => from_file(file)?,
        None => from_system()?,
    };
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| format!("no TLS: {error}"))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

fn from_file(file: &Path) -> Result<RootCertStore, String> {
    let unreadable = |why: &dyn std::fmt::Display| format!("ca_file {}: {why}", file.display());
    let mut roots = RootCertStore::empty();
    let certificates = CertificateDer::pem_file_iter(file).map_err(|error| unreadable(&error))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| unreadable(&error))?;
        roots.add(certificate).map_err(|error| unreadable(&error))?;
    }
    if roots.is_empty() {
        return Err(unreadable(&"no certificate is in it"));
    }
    Ok(roots)
}

fn from_system() -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    // Some of the system's certificates may be unreadable or odd; the others do.
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        return Err("the system has no certificate authorities to trust: install them (often the \
                    package ca-certificates), or set ca_file"
            .into());
    }
    Ok(roots)
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::Request;
    use tokio::{
        io::duplex,
        task::yield_now,
        time::{Instant, sleep},
    };

    use super::*;

    #[tokio::test]
    async fn a_dropped_connection_ends_even_if_the_service_reads_nothing() {
        let (stream, _service) = duplex(64);
        let mut connection = serve(stream).await.unwrap();
        let task = connection.task.clone();
        connection.sender.ready().await.unwrap();
        let request = Request::post("/").body(Full::new(vec![b'x'; 9999].into())).unwrap();
        let mut sent = Box::pin(connection.sender.send_request(request));
        for _ in 0..10 {
            let once = poll_fn(|cx| std::task::Poll::Ready(sent.as_mut().poll(cx).is_pending()));
            assert!(once.await);
            yield_now().await;
        }
        drop((sent, connection));
        let deadline = Instant::now() + Duration::from_secs(10);
        while !task.is_finished() {
            assert!(Instant::now() < deadline, "it goes on");
            sleep(Duration::from_millis(1)).await;
        }
    }
}
