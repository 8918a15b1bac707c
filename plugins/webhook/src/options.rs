//! What operators write in `[plugins.options]`, and what is wrong with it.

use std::{path::PathBuf, time::Duration};

use confab_plugin::{ByteSize, Decision, Problem};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    secret::{Key, Secret},
    target::Target,
};

const CONCURRENCY: usize = 64;
const MAX_CONCURRENCY: usize = 10_000;
const MIN_ANSWER: ByteSize = ByteSize::kib(1);
const MAX_ANSWER: ByteSize = ByteSize::mib(16);
const MIN_CONNECT: Duration = Duration::from_millis(1);
const MAX_CONNECT: Duration = Duration::from_secs(60);

/// What the service is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// It is asked about each event before the event takes effect, and decides.
    Moderate,
    /// It is told of events in the background, once they are decided.
    Notify,
}

/// How an event ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Word {
    /// It took effect.
    Accepted,
    /// An entry of the chain refused it.
    Denied,
    /// An entry of the chain dropped it without a word.
    Dropped,
    /// The daemon refused it or could not carry it out.
    Failed,
}

impl Word {
    const fn as_str(self) -> &'static str {
        match self {
            Word::Accepted => "accepted",
            Word::Denied => "denied",
            Word::Dropped => "dropped",
            Word::Failed => "failed",
        }
    }
}

/// The options of the webhook. `mode` and `url` are needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// moderate: the service is asked before each event and decides. notify: it is told
    /// afterwards, in the background.
    pub mode: Mode,
    /// Where requests go: `https://…` or `http://…`.
    #[schemars(with = "String", extend("format" = "uri", "pattern" = "^https?://"))]
    pub url: Secret,
    /// What requests are signed with: whsec_ and at least 24 bytes in base64, or any other text
    /// of at least 24 bytes. Without it, or `secret_file`, requests are not signed.
    #[serde(default)]
    #[schemars(with = "Option<String>", length(min = 24), extend("writeOnly" = true))]
    pub secret: Option<Secret>,
    /// A file with the secret in it, read at the start. Line ends after it do not count.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// A file of certificates in PEM: whom to trust, instead of the system's authorities.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// Send the text of messages.
    #[serde(default = "yes")]
    pub content: bool,
    /// Send the client's address.
    #[serde(default)]
    pub address: bool,
    /// In mode notify: which outcomes to tell of. accepted alone, unless said otherwise.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub outcomes: Option<Vec<Word>>,
    /// In mode moderate: how many requests run at a time; further events wait for their turn.
    /// 64, unless said otherwise.
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_CONCURRENCY))]
    pub concurrency: Option<usize>,
    /// How long a connection may take to be made, with the look-up of the name and TLS.
    /// 1ms to 1m.
    #[serde(default = "connect_timeout")]
    pub connect_timeout: confab_plugin::Duration,
    /// The largest answer that is read. 1KiB to 16MiB.
    #[serde(default = "max_answer")]
    pub max_answer: ByteSize,
}

const fn yes() -> bool {
    true
}

const fn connect_timeout() -> confab_plugin::Duration {
    confab_plugin::Duration::from_secs(5)
}

const fn max_answer() -> ByteSize {
    ByteSize::kib(64)
}

/// The options, checked.
pub struct Settings {
    /// What the service is for.
    pub mode: Mode,
    /// Where requests go.
    pub target: Target,
    /// What they are signed with; `None` unsigned, or with what is in `secret_file`.
    pub key: Option<Key>,
    /// Where the secret is, if it is not in the configuration.
    pub secret_file: Option<PathBuf>,
    /// Whom to trust; `None` for the system's authorities.
    pub ca_file: Option<PathBuf>,
    /// Whether the text of messages is sent.
    pub content: bool,
    /// Whether the client's address is sent.
    pub address: bool,
    /// How many requests run at a time.
    pub concurrency: usize,
    /// How long a connection may take to be made.
    pub connect_timeout: Duration,
    /// The most bytes of an answer.
    pub max_answer: usize,
    outcomes: Vec<Word>,
}

impl Settings {
    /// Whether events that ended like this are told of. A retry of a stored message is not told
    /// of again.
    pub fn tells(&self, decision: &Decision) -> bool {
        let retry = matches!(decision, Decision::Accepted { duplicate: true, .. });
        !retry && self.outcomes.iter().any(|word| word.as_str() == decision.as_str())
    }
}

impl Options {
    /// Checks everything.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<Settings, Vec<Problem>> {
        let mut problems = self.misplaced();
        let target = Target::new(self.url.expose());
        if let Err(message) = &target {
            problems.push(Problem::at("url", message));
        }
        let key = self.secret.as_ref().map(|secret| Key::new(secret.expose())).transpose();
        if let Err(message) = &key {
            problems.push(Problem::at("secret", message));
        }
        if self.ca_file.is_some() && target.as_ref().is_ok_and(|t| t.server_name.is_none()) {
            let message = "certificates are for https:// only, and the url begins with http://";
            problems.push(Problem::at("ca_file", message));
        }
        let concurrency = self.concurrency.unwrap_or(CONCURRENCY);
        if !(1..=MAX_CONCURRENCY).contains(&concurrency) {
            problems.push(Problem::at("concurrency", format!("write 1 to {MAX_CONCURRENCY}")));
        }
        if !(MIN_CONNECT..=MAX_CONNECT).contains(&self.connect_timeout.0) {
            problems.push(Problem::at("connect_timeout", "write 1ms to 1m"));
        }
        if !(MIN_ANSWER..=MAX_ANSWER).contains(&self.max_answer) {
            let message = format!("write {MIN_ANSWER} to {MAX_ANSWER}");
            problems.push(Problem::at("max_answer", message));
        }
        match (target, key) {
            (Ok(target), Ok(key)) if problems.is_empty() => Ok(Settings {
                mode: self.mode,
                target,
                key,
                secret_file: self.secret_file,
                ca_file: self.ca_file,
                content: self.content,
                address: self.address,
                concurrency,
                connect_timeout: self.connect_timeout.0,
                max_answer: self.max_answer.as_usize(),
                outcomes: self.outcomes.unwrap_or_else(|| vec![Word::Accepted]),
            }),
            _ => Err(problems),
        }
    }

    /// What can't be given together.
    fn misplaced(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.secret.is_some() && self.secret_file.is_some() {
            let message = "both secret and secret_file are given: keep one of the two";
            problems.push(Problem::at("secret_file", message));
        }
        match self.mode {
            Mode::Moderate if self.outcomes.is_some() => problems.push(Problem::at(
                "outcomes",
                "the service is asked before there is an outcome: this is for mode = \"notify\"",
            )),
            Mode::Notify if self.concurrency.is_some() => problems.push(Problem::at(
                "concurrency",
                "this is for mode = \"moderate\": the entry's job_concurrency bounds notifications",
            )),
            _ => {}
        }
        if self.outcomes.as_ref().is_some_and(Vec::is_empty) {
            problems.push(Problem::at("outcomes", "nothing to tell of: name at least one outcome"));
        }
        problems
    }
}
