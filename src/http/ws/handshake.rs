//! The opening handshake of a WebSocket (RFC 6455 section 4.2).

use poem::http::{HeaderMap, HeaderName, header};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::super::{bearer, failure::Failure};
use crate::code::{Code, Refusal};

/// What the answer to a good handshake needs.
#[derive(Debug)]
pub struct Handshake {
    /// The value of `Sec-WebSocket-Accept`.
    pub accept: String,
    /// Whether the client offered our subprotocol.
    pub subprotocol: bool,
}

/// The request does not ask for a WebSocket.
pub fn not_an_upgrade() -> Failure {
    Refusal::new(
        Code::BadUpgrade,
        "This path takes a WebSocket upgrade over HTTP/1.1 (RFC 6455), version 13.",
    )
    .into()
}

impl Handshake {
    /// Reads the handshake's headers.
    ///
    /// # Errors
    /// `bad_upgrade` when one is missing or wrong.
    pub fn read(headers: &HeaderMap) -> Result<Self, Failure> {
        let key = headers.get(header::SEC_WEBSOCKET_KEY).map(poem::http::HeaderValue::as_bytes);
        let version = headers.get(header::SEC_WEBSOCKET_VERSION);
        let good = has_token(headers, header::CONNECTION, "upgrade")
            && has_token(headers, header::UPGRADE, "websocket")
            && version.is_some_and(|version| version == "13")
            // Sixteen bytes in base64.
            && key.is_some_and(|key| key.len() == 24);
        let (true, Some(key)) = (good, key) else { return Err(not_an_upgrade()) };
        Ok(Self {
            accept: derive_accept_key(key),
            subprotocol: has_token(headers, header::SEC_WEBSOCKET_PROTOCOL, bearer::SUBPROTOCOL),
        })
    }
}

/// Whether a comma-separated header holds a token, without regard to case.
fn has_token(headers: &HeaderMap, name: HeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    const KEY: (&str, &str) = ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    const VERSION: (&str, &str) = ("sec-websocket-version", "13");

    #[test]
    fn case_and_lists_do_not_matter() {
        let good = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-protocol", "confab.v1, bearer.x"),
            KEY,
            VERSION,
        ]);
        let handshake = Handshake::read(&good).unwrap();
        // The example of RFC 6455 section 1.3.
        assert_eq!(handshake.accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert!(handshake.subprotocol);
    }

    #[test]
    fn anything_missing_is_refused() {
        let all = [("connection", "upgrade"), ("upgrade", "websocket"), KEY, VERSION];
        assert!(Handshake::read(&headers(&all)).is_ok());
        for skip in 0..all.len() {
            let mut some = all.to_vec();
            some.remove(skip);
            assert!(Handshake::read(&headers(&some)).is_err(), "without {}", all[skip].0);
        }
        let old = [all[0], all[1], KEY, ("sec-websocket-version", "8")];
        assert!(Handshake::read(&headers(&old)).is_err());
    }
}
