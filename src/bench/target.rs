//! The address of a server, as written on the command line.

use std::{error::Error, fmt, str::FromStr, time::Duration};

use hyper::Uri;
use tokio::{net::TcpStream, time::timeout};

use super::error::CallError;

/// Where a server is, over plain HTTP.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    host: String,
    port: u16,
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

    /// A connection whose small writes leave at once (`TCP_NODELAY`).
    ///
    /// # Errors
    /// [`CallError::Unreachable`], or [`CallError::TimedOut`] after `limit`.
    pub async fn connect(&self, limit: Duration) -> Result<TcpStream, CallError> {
        let connecting = TcpStream::connect((self.host.as_str(), self.port));
        let unreachable = |source| CallError::Unreachable { target: self.clone(), source };
        let stream = match timeout(limit, connecting).await {
            Ok(stream) => stream.map_err(unreachable)?,
            Err(_) => return Err(CallError::TimedOut { target: self.clone(), after: limit }),
        };
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(stream)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

/// Why a text is no address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InvalidTarget {
    /// It asks for TLS.
    Tls,
    /// Another scheme than `http` or `ws`.
    Scheme(String),
    /// It has a path, a query or a user.
    Beyond,
    /// It is no URL, or names no host.
    NoHost,
}

impl fmt::Display for InvalidTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tls => f.write_str(
                "TLS is not spoken here: measure the listener behind the proxy, with http://",
            ),
            Self::Scheme(scheme) => write!(f, "the scheme is `{scheme}`, not http"),
            Self::Beyond => f.write_str("only a host and a port, such as http://127.0.0.1:8080"),
            Self::NoHost => f.write_str("not a URL such as http://127.0.0.1:8080"),
        }
    }
}

impl Error for InvalidTarget {}

impl FromStr for Target {
    type Err = InvalidTarget;

    /// Reads `http://host:port`, `ws://host:port` or `host:port`; the port is 80 unless given.
    fn from_str(text: &str) -> Result<Self, InvalidTarget> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = whole.parse().map_err(|_| InvalidTarget::NoHost)?;
        match uri.scheme_str() {
            Some("http" | "ws") => {}
            Some("https" | "wss") => return Err(InvalidTarget::Tls),
            other => return Err(InvalidTarget::Scheme(other.unwrap_or_default().to_owned())),
        }
        let authority = uri.authority().ok_or(InvalidTarget::NoHost)?;
        if authority.as_str().contains('@')
            || !matches!(uri.path(), "" | "/")
            || uri.query().is_some()
        {
            return Err(InvalidTarget::Beyond);
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => 80,
            _ => authority.port_u16().filter(|port| *port > 0).ok_or(InvalidTarget::NoHost)?,
        };
        if host.is_empty() {
            return Err(InvalidTarget::NoHost);
        }
        Ok(Self { host: host.to_owned(), port })
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
        ] {
            let target: Target = text.parse().unwrap();
            assert_eq!(target.authority(), authority, "{text}");
        }
        assert_eq!("localhost:1".parse::<Target>().unwrap().to_string(), "http://localhost:1");
    }

    #[test]
    fn the_rest_is_refused_in_words() {
        let wrong = |text: &str| text.parse::<Target>().unwrap_err();
        assert_eq!(wrong("https://chat.example"), InvalidTarget::Tls);
        assert_eq!(wrong("wss://chat.example"), InvalidTarget::Tls);
        assert_eq!(wrong("ftp://chat.example"), InvalidTarget::Scheme("ftp".to_owned()));
        assert_eq!(wrong("http://chat.example/chat"), InvalidTarget::Beyond);
        assert_eq!(wrong("http://ann@chat.example"), InvalidTarget::Beyond);
        for text in ["", "http://", "http://chat.example:0", "http://chat.example:x", "a b"] {
            assert_eq!(wrong(text), InvalidTarget::NoHost, "{text}");
        }
    }
}
