//! Where requests go: the operator's URL, taken apart and checked.

use hyper::{
    Uri,
    header::HeaderValue,
    http::uri::{Authority, PathAndQuery, Scheme},
};
use rustls::pki_types::ServerName;

/// The address of the service.
///
/// Invariant: nothing of the path is shown by any error or log; services keep tokens there.
pub struct Target {
    /// The name or address to connect to, without the brackets of IPv6.
    pub host: String,
    /// The port to connect to.
    pub port: u16,
    /// What the certificate must be for; `None` without TLS.
    pub server_name: Option<ServerName<'static>>,
    /// The value of the `host` header.
    pub host_header: HeaderValue,
    /// The path and query to ask for.
    pub path: Uri,
}

impl Target {
    /// Takes `url` apart.
    ///
    /// # Errors
    /// What is wrong with it, without the URL.
    pub fn new(url: &str) -> Result<Self, String> {
        let wrong = |_| "not a URL: write it like https://moderation.example/confab";
        let uri: Uri = url.parse().map_err(wrong)?;
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err("not a URL: it begins with https:// or http://".into());
        };
        let tls = *scheme == Scheme::HTTPS;
        if !tls && *scheme != Scheme::HTTP {
            return Err("only https:// and http:// are known".into());
        }
        if authority.as_str().contains('@') {
            return Err("a name and a password in a URL are not sent: sign requests with secret \
                        instead"
                .into());
        }
        if url.contains('#') {
            return Err("the part after # is not sent: leave it out".into());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        if host.is_empty() {
            return Err("not a URL: it names no host".into());
        }
        let port = port(authority, tls)?;
        let server_name = match tls {
            true => {
                let name = ServerName::try_from(host.to_owned());
                Some(name.map_err(|_| "no certificate can be for this host")?)
            }
            false => None,
        };
        let path = uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/"));
        Ok(Self {
            host: host.to_owned(),
            port,
            server_name,
            host_header: HeaderValue::from_str(authority.as_str())
                .map_err(|_| "not a URL: the host has signs that no header can hold")?,
            path: Uri::from(path),
        })
    }
}

fn port(authority: &Authority, tls: bool) -> Result<u16, &'static str> {
    // What follows the host that is not a port is an error here, not the default port.
    match authority.as_str().strip_prefix(authority.host()) {
        Some("") => Ok(if tls { 443 } else { 80 }),
        _ => authority.port_u16().filter(|port| *port > 0).ok_or("the port is not 1 to 65535"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(url: &str) -> (String, u16, bool, String, String) {
        let target = Target::new(url).unwrap();
        let header = target.host_header.to_str().unwrap().to_owned();
        let path = target.path.to_string();
        (target.host, target.port, target.server_name.is_some(), header, path)
    }

    #[test]
    fn a_url_is_taken_apart() {
        for (url, host, port, tls, header, path) in [
            ("http://a.example", "a.example", 80, false, "a.example", "/"),
            ("https://a.example/x?y=z", "a.example", 443, true, "a.example", "/x?y=z"),
            ("HTTP://127.0.0.1:8080/", "127.0.0.1", 8080, false, "127.0.0.1:8080", "/"),
            ("https://[::1]:8443/x", "::1", 8443, true, "[::1]:8443", "/x"),
            ("https://[::1]/x", "::1", 443, true, "[::1]", "/x"),
        ] {
            let expected = (host.into(), port, tls, header.into(), path.into());
            assert_eq!(parts(url), expected, "{url}");
        }
    }

    #[test]
    fn what_can_not_be_asked_is_refused_without_showing_it() {
        for bad in [
            "",
            "/hunter2",
            "a.example/hunter2",
            "a.example",
            "ftp://a.example/hunter2",
            "https:///hunter2",
            "https://ann:hunter2@a.example/",
            "https://a.example/#hunter2",
            "https://a.example:0/hunter2",
            "https://a.example:99999/hunter2",
            "https://a.example:/hunter2",
            "https://a b/hunter2",
            "http://",
        ] {
            let error = Target::new(bad).err().unwrap_or_else(|| panic!("{bad} is taken"));
            assert!(!error.contains("hunter2"), "{bad}: {error}");
        }
    }
}
