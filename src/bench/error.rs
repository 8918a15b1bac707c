//! Why a call or a connection failed, in words for whoever runs the generator.

use std::{error::Error, fmt, io, time::Duration};

use super::target::Target;

/// Why a call or a connection failed.
#[derive(Debug)]
pub enum CallError {
    /// There is no connection: nobody listens, the name is unknown, no descriptor or port is free.
    Unreachable {
        /// Where to.
        target: Target,
        /// What the system said.
        source: io::Error,
    },
    /// No whole answer within the time limit.
    TimedOut {
        /// Where to.
        target: Target,
        /// The limit.
        after: Duration,
    },
    /// The server answered, and refused.
    Refused(Box<Refused>),
    /// The connection broke, or what came was not the protocol.
    Broken {
        /// Where to.
        target: Target,
        /// What happened.
        why: String,
    },
    /// The generator itself lacks something: a thread, a timer, a file.
    Local(io::Error),
}

/// An answer with an error's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The HTTP status.
    pub status: u16,
    /// The stable code, such as `username_taken`; empty where the server names none.
    pub code: String,
    /// The words, which may be empty.
    pub message: String,
    /// What `Retry-After` said.
    pub retry_after: Option<Duration>,
}

impl CallError {
    /// A few words that many failures of the same kind have in common, to count them by.
    pub fn kind(&self) -> String {
        match self {
            Self::Unreachable { source, .. } => source.kind().to_string(),
            Self::TimedOut { .. } => "timed out".to_owned(),
            Self::Refused(refused) if refused.code.is_empty() => {
                format!("HTTP status {}", refused.status)
            }
            Self::Refused(refused) => refused.code.clone(),
            Self::Broken { .. } => "broken connection".to_owned(),
            Self::Local(error) => error.kind().to_string(),
        }
    }

    /// The server's refusal, if it was one.
    pub fn refused(&self) -> Option<&Refused> {
        match self {
            Self::Refused(refused) => Some(refused),
            _ => None,
        }
    }

    /// Whether the server refused with this code.
    pub fn has_code(&self, code: &str) -> bool {
        self.refused().is_some_and(|refused| refused.code == code)
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable { target, source } => {
                write!(f, "cannot connect to {target}: {source}")
            }
            Self::TimedOut { target, after } => {
                write!(f, "{target} gave no answer within {} s", after.as_secs_f64())
            }
            Self::Refused(refused) => refused.fmt(f),
            Self::Broken { target, why } => write!(f, "{target}: {why}"),
            Self::Local(error) => error.fmt(f),
        }
    }
}

impl Error for CallError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreachable { source, .. } => Some(source),
            _ => None,
        }
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server refused with status {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " ({})", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, ": {}", self.message)?;
        }
        Ok(())
    }
}
