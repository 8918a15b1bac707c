//! Requests to an ACME server: HTTP/1.1 within TLS, on one connection.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Limited};
use hyper::{
    Request, Response, StatusCode, Uri,
    client::conn::http1::{self, SendRequest},
    header::{HOST, HeaderMap, HeaderValue, RETRY_AFTER},
};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use rustls::{
    ClientConfig, RootCertStore,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// The largest answer that is read, in bytes: a chain of certificates is some KiB.
const MAX_BODY: usize = 256 * 1024;
/// The most bytes of an answer's head.
const MAX_HEAD: usize = 32 * 1024;
/// A server that is busy cannot put us off for longer.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(24 * 3600);

type Body = BodyWrapper<Bytes>;
type Failed = Box<dyn std::error::Error + Send + Sync>;

/// Makes requests. A clone shares the connection.
#[derive(Clone)]
pub struct Client(Arc<Inner>);

struct Inner {
    tls: TlsConnector,
    kept: Mutex<Option<(String, SendRequest<Body>)>>,
    put_off: Mutex<Option<Duration>>,
}

impl Client {
    /// One that trusts the authorities of this machine, and those in `root_file`. Reads files: not
    /// for an async thread.
    ///
    /// # Errors
    /// When there is nobody to trust.
    pub fn new(root_file: Option<&Path>) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        // Some of them may be unreadable or odd; the others do.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        for root in root_file.map(roots_of).transpose()?.into_iter().flatten() {
            roots.add(root).map_err(|error| error.to_string())?;
        }
        if roots.is_empty() {
            return Err("this machine has no certificate authorities to trust (often the package \
                        ca-certificates)"
                .to_owned());
        }
        let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = TlsConnector::from(Arc::new(config));
        Ok(Self(Arc::new(Inner { tls, kept: Mutex::default(), put_off: Mutex::default() })))
    }

    /// For how long the server said that it wants no requests.
    pub fn put_off(&self) -> Option<Duration> {
        *self.0.put_off.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The certificates in a PEM file.
///
/// # Errors
/// What is wrong with it, with its path.
pub fn roots_of(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let roots = CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))?;
    let roots = roots.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(&error))?;
    let mut store = RootCertStore::empty();
    for root in &roots {
        store.add(root.clone()).map_err(|error| wrong(&error))?;
    }
    if roots.is_empty() {
        return Err(wrong(&"it holds no certificate in PEM"));
    }
    Ok(roots)
}

impl Inner {
    async fn call(&self, request: Request<Body>) -> Result<BytesResponse, Failed> {
        let (mut head, body) = request.into_parts();
        let authority = match (head.uri.scheme_str(), head.uri.authority()) {
            (Some("https"), Some(authority)) => authority.as_str().to_owned(),
            _ => return Err(format!("{} is not an https:// address", head.uri).into()),
        };
        let mut kept = self.kept(&authority);
        if let Some(sender) = &mut kept
            && sender.ready().await.is_err()
        {
            kept = None;
        }
        let mut sender = match kept {
            Some(sender) => sender,
            None => {
                let connected = self.connect(&head.uri).await;
                connected.map_err(|error| format!("{authority}: {error}"))?
            }
        };
        head.headers.insert(HOST, HeaderValue::from_str(&authority)?);
        let path = head.uri.path_and_query().map_or("/", |path| path.as_str());
        head.uri = path.parse()?;
        let answer = sender.send_request(Request::from_parts(head, body)).await?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = Some((authority, sender));
        if matches!(head.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
            let put_off = retry_after(&head.headers);
            *self.put_off.lock().unwrap_or_else(PoisonError::into_inner) = put_off;
        }
        let body = http_body_util::Full::new(body);
        Ok(Response::from_parts(head, body).into())
    }

    fn kept(&self, authority: &str) -> Option<SendRequest<Body>> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).take();
        kept.filter(|(of, _)| of == authority).map(|(_, sender)| sender)
    }

    async fn connect(&self, uri: &Uri) -> io::Result<SendRequest<Body>> {
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(host).map_err(io::Error::other)?;
        let stream = TokioIo::new(self.tls.connect(name, stream).await?);
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD);
        let (sender, connection) = builder.handshake(stream).await.map_err(io::Error::other)?;
        // It ends when the sender is dropped.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// `Retry-After` in seconds; a date is none.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_RETRY_AFTER))
}

impl HttpClient for Client {
    fn request(
        &self,
        request: Request<Body>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let Self(inner) = self.clone();
        Box::pin(async move { inner.call(request).await.map_err(Error::Other) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_puts_us_off_within_bounds() {
        let after = |text: &'static str| {
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, HeaderValue::from_static(text))]))
        };
        assert_eq!(after("120"), Some(Duration::from_secs(120)));
        assert_eq!(after("99999999999"), Some(MAX_RETRY_AFTER));
        for text in ["", "-1", "Fri, 31 Dec 1999 23:59:59 GMT"] {
            assert_eq!(after(text), None);
        }
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }
}
