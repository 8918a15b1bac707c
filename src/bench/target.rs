//! The address of a server, as written on the command line.

use std::{error::Error, fmt, io, str::FromStr, time::Duration};

use hyper::Uri;
use rustls::pki_types::ServerName;
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_util::either::Either;

use super::{error::CallError, trust::Trust};

/// A connection to a server, as it is or within TLS.
pub type Connection = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    host: String,
    port: u16,
    tls: bool,
    trust: Option<Trust>,
}

impl Target {
    /// `host:port`, an IPv6 address in brackets: for the `Host` header and for URLs.
    pub fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Whether it speaks TLS.
    pub fn is_tls(&self) -> bool {
        self.tls
    }

    /// The same, which TLS is spoken with only if `trust` vouches for it.
    #[must_use]
    pub fn trusting(self, trust: &Trust) -> Self {
        Self { trust: Some(trust.clone()), ..self }
    }

    /// A connection whose small writes leave at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// [`CallError::Unreachable`], also when the server's certificate is not taken, or
    /// [`CallError::TimedOut`] after `limit`.
    pub async fn connect(&self, limit: Duration) -> Result<Connection, CallError> {
        match timeout(limit, self.open()).await {
            Ok(opened) => {
                opened.map_err(|source| CallError::Unreachable { target: self.clone(), source })
            }
            Err(_) => Err(CallError::TimedOut { target: self.clone(), after: limit }),
        }
    }

    async fn open(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        if !self.tls {
            return Ok(Either::Left(stream));
        }
        let trust = self.trust.as_ref();
        let trust = trust.ok_or_else(|| io::Error::other("nobody vouches for it"))?;
        let name = ServerName::try_from(self.host.clone()).map_err(io::Error::other)?;
        let connector = TlsConnector::from(std::sync::Arc::clone(&trust.0));
        Ok(Either::Right(Box::new(connector.connect(name, stream).await?)))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// Why a text is no address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidTarget {
    /// Another scheme than `http`, `https`, `ws` or `wss`.
    Scheme(String),
    /// It has a path, a query or a user.
    Beyond,
    /// It is no URL, or names no host.
    NoHost,
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(scheme) => write!(f, "the scheme is `{scheme}`, not http or https"),
            Self::Beyond => f.write_str("only a host and a port, such as http://127.0.0.1:8080"),
            Self::NoHost => f.write_str("not a URL such as http://127.0.0.1:8080"),
        }
    }
}

impl Error for InvalidTarget {}

impl FromStr for Target {
    type Err = InvalidTarget;

    /// Reads `http://host:port`, `https://host:port`, the same with `ws` and `wss`, or
    /// `host:port`; the port is 80 or 443 unless given.
    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| InvalidTarget::NoHost)?;
        let tls = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            other => return Err(InvalidTarget::Scheme(other.unwrap_or_default().to_owned())),
        };
        let authority = uri.authority().ok_or(InvalidTarget::NoHost)?;
        if authority.as_str().contains('@')
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
        {
            return Err(InvalidTarget::Beyond);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") if tls => 443,
            Some("") => 80,
            _ => authority.port_u16().filter(|port| *port > 0).ok_or(InvalidTarget::NoHost)?,
        };
        if host.is_empty() {
            return Err(InvalidTarget::NoHost);
        }
        Ok(Self { host: host.to_owned(), port, tls, trust: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_usual_forms_are_read() {
        for (text, authority) in [
            ("http://127.0.0.1:8080", "127.0.0.1:8080"),
            ("http://127.0.0.1:8080/", "127.0.0.1:8080"),
            ("ws://chat.example", "chat.example:80"),
            ("localhost:8080", "localhost:8080"),
            ("[::1]:8080", "[::1]:8080"),
            ("https://chat.example", "chat.example:443"),
            ("wss://chat.example:8443", "chat.example:8443"),
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.authority(), authority, "{text}");
        }
        for (text, url) in [
            ("localhost:1", "http://localhost:1"),
            ("ws://localhost:1", "http://localhost:1"),
            ("wss://localhost", "https://localhost:443"),
        ] {
            assert_eq!(text.parse::<Target>().unwrap().to_string(), url);
        }
    }

    #[test]
    fn the_rest_is_refused_in_words() {
        let wrong = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(wrong("ftp://chat.example"), InvalidTarget::Scheme("ftp".to_owned()));
        assert_eq!(wrong("http://chat.example/chat"), InvalidTarget::Beyond);
        assert_eq!(wrong("http://ann@chat.example"), InvalidTarget::Beyond);
        for text in ["", "http://", "http://chat.example:0", "http://chat.example:x", "a b"] {
            assert_eq!(wrong(text), InvalidTarget::NoHost, "{text}");
        }
    }
}
