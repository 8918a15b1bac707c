//! The table `[telemetry.otlp]`: where traces go.
#![allow(
    rustdoc::bare_urls,
    rustdoc::broken_intra_doc_links,
    reason = "the help of a key is plain text"
)]

use confab_plugin::Duration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::schema::quoted;
use crate::bench::target::{InvalidTarget, Target};

/// `[telemetry]`
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Telemetry {
    /// A collector of OpenTelemetry that gets traces of requests and events, by OTLP over HTTP;
    /// without one, nothing is sent.
    pub otlp: Otlp,
}

/// `[telemetry.otlp]`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Otlp {
    /// The collector: http://host:port, without a path. It speaks no TLS: run the collector beside
    /// the daemon.
    #[schemars(example = "http://127.0.0.1:4318")]
    pub endpoint: Option<String>,
    /// Of so many traces one is sent; 1 sends all. From 1 to 1000000.
    pub one_in: u32,
    /// Spans that may wait for the collector; further ones are dropped and counted. From 16 to
    /// 1000000.
    pub queue: usize,
    /// How long the collector may take; then what was sent to it is dropped and counted. From
    /// 100ms to 1m.
    pub timeout: Duration,
    /// What this service is called there: 1 to 64 of a-z A-Z 0-9 . _ -
    pub service: String,
}

impl Default for Otlp {
    fn default() -> Self {
        Self {
            endpoint: None,
            one_in: 1,
            queue: 4096,
            timeout: Duration::from_secs(5),
            service: "confab".into(),
        }
    }
}

/// Checks the address of a collector. Connects to nothing.
///
/// # Errors
/// What is wrong, in one sentence.
pub(super) fn check_endpoint(text: &str) -> Result<(), String> {
    let example = "write one such as \"http://127.0.0.1:4318\"";
    let why = match text.parse::<Target>() {
        Ok(_) if text.starts_with("http://") => return Ok(()),
        Ok(target) if target.is_tls() => {
            return Err("TLS is not spoken to a collector: run one beside the daemon, and write \
                        its http:// address"
                .to_owned());
        }
        Err(InvalidTarget::Beyond) => "has more than a host and a port",
        _ => "is not the address of a collector",
    };
    Err(format!("{} {why}: {example}", quoted(text)))
}

/// Checks the name of the service.
///
/// # Errors
/// What is wrong, in one sentence.
pub(super) fn check_service(text: &str) -> Result<(), String> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if (1..=64).contains(&text.len()) && text.chars().all(good) {
        return Ok(());
    }
    Err(format!("{} is not 1 to 64 of a-z A-Z 0-9 . _ -", quoted(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_collector_is_told() {
        for good in ["http://127.0.0.1:4318", "http://collector", "http://[::1]:4318/"] {
            assert_eq!(check_endpoint(good), Ok(()), "{good}");
        }
        for (bad, part) in [
            ("https://otlp.example.org", "TLS is not spoken"),
            ("http://127.0.0.1:4318/v1/traces", "more than a host and a port"),
            ("localhost:4318", "is not the address"),
            ("grpc://localhost:4317", "is not the address"),
            ("", "is not the address"),
        ] {
            let said = check_endpoint(bad).unwrap_err();
            assert!(said.contains(part), "{bad}: {said}");
        }
        assert!(check_service("chat.eu-1").is_ok());
        assert!(check_service("").is_err() && check_service("a\nb").is_err());
    }
}
