//! The resident memory of the server: from its metrics, or of its process.

use std::time::Duration;

use serde::Serialize;

use super::{error::CallError, http::Http, target::Target};

/// The metric that Prometheus' clients have in common.
const METRIC: &str = "process_resident_memory_bytes";

/// How long a server gets to come to rest before its memory is read.
const SETTLE: Duration = Duration::from_secs(1);

/// Where the server's memory is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `/metrics` of these admin listeners, all of them together.
    Metrics(Vec<Target>),
    /// A process of this machine.
    Process(u32),
}

/// What idle sessions cost.
#[derive(Clone, Debug, Serialize)]
pub struct Idle {
    /// Idle sessions that were open.
    pub sessions: u64,
    /// Where the figures are from: `metrics` or `process`.
    pub source: &'static str,
    /// Resident memory before, in bytes.
    pub before_bytes: u64,
    /// Resident memory with the sessions, in bytes.
    pub after_bytes: u64,
    /// The growth for each.
    pub bytes_per_session: f64,
}

impl Source {
    /// The resident memory now, in bytes.
    ///
    /// # Errors
    /// When it is not told.
    pub async fn read(&self) -> Result<u64, CallError> {
        match self {
            Self::Metrics(targets) => {
                let mut sum = 0;
                for target in targets {
                    let text = Http::new(target).metrics().await?;
                    sum += metric(&text).ok_or_else(|| CallError::Broken {
                        target: target.clone(),
                        why: format!("its metrics have no {METRIC}"),
                    })?;
                }
                Ok(sum)
            }
            Self::Process(id) => {
                let path = format!("/proc/{id}/status");
                let text = tokio::fs::read_to_string(&path).await;
                let text = text.map_err(|error| named(&error, &path))?;
                resident(&text).ok_or_else(|| {
                    CallError::Local(std::io::Error::other(format!("{path} has no VmRSS")))
                })
            }
        }
    }

    /// The same once the server had time to come to rest.
    ///
    /// # Errors
    /// When it is not told.
    pub async fn read_settled(&self) -> Result<u64, CallError> {
        tokio::time::sleep(SETTLE).await;
        self.read().await
    }

    /// What `sessions` cost.
    pub fn idle(&self, sessions: u64, before: u64, after: u64) -> Idle {
        let source = if matches!(self, Self::Metrics(_)) { "metrics" } else { "process" };
        // Below 2^53 bytes.
        let growth = after as f64 - before as f64;
        let bytes_per_session = growth / sessions.max(1) as f64;
        Idle { sessions, source, before_bytes: before, after_bytes: after, bytes_per_session }
    }
}

fn named(error: &std::io::Error, path: &str) -> CallError {
    CallError::Local(std::io::Error::new(error.kind(), format!("cannot read {path}: {error}")))
}

/// The value of the metric, in bytes.
fn metric(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix(METRIC)?.strip_prefix(' '))?;
    let value: f64 = value.split_whitespace().next()?.parse().ok()?;
    // Saturates.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    Some(value as u64)
}

/// `VmRSS` of `/proc/PID/status`, in bytes.
fn resident(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = value.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_where_it_is_told() {
        let text =
            "# TYPE process_resident_memory_bytes gauge\nprocess_resident_memory_bytes 2.5e7\n";
        assert_eq!(metric(text), Some(25_000_000));
        assert_eq!(metric("process_resident_memory_bytes_max 1\n"), None);
        assert_eq!(resident("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152));
        assert_eq!(resident("Name:\tx\n"), None);
    }

    #[tokio::test]
    async fn this_process_has_some() {
        assert!(Source::Process(std::process::id()).read().await.unwrap() > 1 << 20);
        assert!(Source::Process(u32::MAX).read().await.is_err());
    }
}
