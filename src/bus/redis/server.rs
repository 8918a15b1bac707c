//! Which Redis, and connections to it.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use bb8_redis::redis::{
    AsyncConnectionConfig, Client, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    ProtocolVersion, RedisError, aio::MultiplexedConnection,
};

use crate::config;

const EXAMPLE: &str = "write redis://[user:password@]host[:port][/database], or rediss://… for \
                       TLS; in a user or password write %40 for @, %2F for /";

/// The most characters of an error that are shown.
const MAX_SHOWN: usize = 300;

/// Why Redis could not be used: for the operator's log. Never holds the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(String, &'static str);

impl Failure {
    /// A failure in words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into(), "")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Some of it is what the server wrote, for each command of a pipeline.
        for c in self.0.chars().take(MAX_SHOWN) {
            f.write_char(if c.is_control() { ' ' } else { c })?;
        }
        f.write_str(self.1)
    }
}

impl From<RedisError> for Failure {
    fn from(error: RedisError) -> Self {
        if error.is_timeout() {
            return Self::new("no answer within bus.redis.response_timeout");
        }
        let text = error.to_string();
        let says = |code: &str| text.to_ascii_uppercase().contains(code);
        let hint = if says("NOPERM") {
            "; the user of bus.redis.url needs +publish +subscribe +unsubscribe +ping and the \
             channels &PREFIX:*"
        } else if error.kind() == ErrorKind::AuthenticationFailed
            || says("NOAUTH")
            || says("WRONGPASS")
        {
            "; check the user and the password of bus.redis.url"
        } else if error.kind() == ErrorKind::RESP3NotSupported {
            "; Redis 6 or newer is needed"
        } else {
            ""
        };
        Self(text, hint)
    }
}

/// A Redis server as the configuration names it.
#[derive(Clone)]
pub struct Server {
    client: Client,
    connect_timeout: Duration,
}

/// The server, without user and password.
impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.client.get_connection_info().addr().fmt(f)
    }
}

/// Checks a URL without connecting.
///
/// # Errors
/// What is wrong with it, without the URL itself: it may hold a password.
pub fn check_url(url: &str) -> Result<(), String> {
    parse(url).map(drop)
}

fn parse(url: &str) -> Result<ConnectionInfo, String> {
    let schemes = ["redis", "rediss", "valkey", "valkeys", "unix", "redis+unix"];
    let scheme = url.split_once(':').map_or("", |(scheme, _)| scheme);
    if !schemes.contains(&scheme) {
        return Err(format!("is not the URL of a Redis: {EXAMPLE}"));
    }
    let info = url.into_connection_info().map_err(|error| {
        // The detail may quote the URL.
        let text = error.to_string();
        let known = ["database number", "hostname", "wildcard", "fragment", "UTF-8", "protocol"];
        let part = known.into_iter().find(|part| text.contains(part));
        let part = part.map_or_else(String::new, |part| format!(" ({part})"));
        format!("is not the URL of a Redis{part}: {EXAMPLE}")
    })?;
    if let ConnectionAddr::TcpTls { insecure: true, .. } = info.addr() {
        return Err(
            "asks for TLS without checking who answers (#insecure): make the system trust \
                    the server's certificate, for instance with the variable SSL_CERT_FILE"
                .into(),
        );
    }
    Ok(info)
}

impl Server {
    /// The server that `bus.redis.url` names. Connects to nothing.
    ///
    /// # Errors
    /// When there is no URL, or it is not one.
    pub fn new(config: &config::Redis) -> Result<Self, Failure> {
        let Some(url) = &config.url else {
            return Err(Failure::new("bus.redis.url is not set"));
        };
        let info = parse(url.expose());
        let info = info.map_err(|wrong| Failure::new(format!("bus.redis.url {wrong}")))?;
        if matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            // Fails when one is in place, which is as good.
            let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        }
        // Pushed messages in between answers are what makes one connection enough.
        let redis = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let client = Client::open(info.set_redis_settings(redis))?;
        Ok(Self { client, connect_timeout: config.connect_timeout.0 })
    }

    /// The user of the URL.
    pub fn user(&self) -> Option<&str> {
        self.client.get_connection_info().redis_settings().username()
    }

    /// Whether the URL has a password.
    pub fn has_password(&self) -> bool {
        self.client.get_connection_info().redis_settings().password().is_some()
    }

    /// Whether the connection is encrypted.
    pub fn has_tls(&self) -> bool {
        matches!(self.client.get_connection_info().addr(), ConnectionAddr::TcpTls { .. })
    }

    /// Whether it runs on this machine, as far as its address says.
    pub fn is_local(&self) -> bool {
        match self.client.get_connection_info().addr() {
            ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. } => {
                crate::probe::is_loopback(host)
            }
            _ => true,
        }
    }

    /// Connects and signs in, within `connect_timeout`.
    ///
    /// # Errors
    /// When that fails.
    pub async fn connect(
        &self,
        config: AsyncConnectionConfig,
    ) -> Result<MultiplexedConnection, Failure> {
        let config = config.set_connection_timeout(None);
        let connect = self.client.get_multiplexed_async_connection_with_config(&config);
        match tokio::time::timeout(self.connect_timeout, connect).await {
            Ok(connected) => Ok(connected?),
            Err(_) => Err(Failure::new("no connection within bus.redis.connect_timeout")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        for url in [
            "redis://localhost",
            "redis://:secret@10.0.0.1:6380/2",
            "redis://confab:p%40ss@redis.example.org",
            "redis://[::1]:6379",
            "rediss://cache.example.org",
            "unix:///run/redis/redis.sock",
        ] {
            assert_eq!(check_url(url), Ok(()), "{url}");
        }
        for (url, part) in [
            ("", "not the URL"),
            ("localhost:6379", "not the URL"),
            ("http://hunter2@localhost", "not the URL"),
            ("redis://", "(hostname)"),
            ("redis://:hunter2@localhost/first", "(database number)"),
            ("redis://:hunter2/@localhost", "not the URL"),
            ("redis://localhost:99999", "not the URL"),
            ("redis://0.0.0.0", "(wildcard)"),
            ("redis://a:%ff@localhost", "(UTF-8)"),
            ("redis://localhost?protocol=hunter2", "(protocol)"),
            ("rediss://localhost#insecure", "SSL_CERT_FILE"),
        ] {
            let wrong = check_url(url).expect_err(url);
            assert!(wrong.contains(part) && !wrong.contains("hunter2"), "{url}: {wrong}");
        }
    }

    #[test]
    fn a_server_is_shown_without_its_password() {
        let url = "rediss://me:hunter2@cache.example.org:6380/1".to_owned().into();
        let config = config::Redis { url: Some(url), ..config::Redis::default() };
        assert_eq!(Server::new(&config).unwrap().to_string(), "cache.example.org:6380");
        let missing = Server::new(&config::Redis::default()).map(drop).unwrap_err();
        assert_eq!(missing.to_string(), "bus.redis.url is not set");
    }
}
