//! What a file of fixtures says.

use std::{collections::BTreeMap, path::PathBuf, time::SystemTime};

use confab_plugin::{Duration, Segment};
use schemars::JsonSchema;
use serde::Deserialize;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    cli::stage::{Clock, Written},
    config::PluginEntry,
};

/// When a test begins unless it says so: 2026-01-01T00:00:00Z, in seconds since 1970.
const BEGINNING: u64 = 1_767_225_600;

/// A file of fixtures.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Fixtures {
    /// The configuration whose chain is tried, relative to this file.
    #[serde(default)]
    pub config: Option<PathBuf>,
    /// A chain of its own, instead of that of a configuration.
    #[serde(default)]
    pub plugins: Option<Vec<PluginEntry>>,
    /// Entries left out of the chain in every test, by name.
    #[serde(default)]
    pub skip: Vec<String>,
    /// The tests. Each runs on a fresh chain.
    pub tests: Vec<Test>,
}

/// One test: one event, or several steps.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Test {
    /// What it shows; no two tests of a file have the same.
    pub name: String,
    /// Entries left out of the chain, by name.
    #[serde(default)]
    pub skip: Vec<String>,
    /// When it begins, as in 2026-01-01T00:00:00Z, which it is unless given.
    #[serde(default)]
    pub at: Option<String>,
    /// The event, if it is only one.
    #[serde(default)]
    pub event: Option<Written>,
    /// How often the event comes.
    #[serde(default)]
    pub repeat: Option<u32>,
    /// What is expected of the event, each time.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// The events, if they are several, one after the other.
    #[serde(default)]
    pub steps: Vec<Step>,
}

/// One event of several.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The event.
    pub event: Written,
    /// How long after the one before it comes; each time, if it comes several times.
    #[serde(default)]
    pub after: Option<Duration>,
    /// How often it comes.
    #[serde(default)]
    pub repeat: Option<u32>,
    /// What is expected of it, each time; nothing unless given.
    #[serde(default)]
    pub expect: Option<Expect>,
}

/// What is expected of an event.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// What becomes of it: pass, deny or drop.
    pub verdict: Verdict,
    /// The entry that refuses it.
    #[serde(default)]
    pub by: Option<String>,
    /// The code of the refusal.
    #[serde(default)]
    pub code: Option<String>,
    /// What the client is told.
    #[serde(default)]
    pub message: Option<String>,
    /// When the client is told to try again.
    #[serde(default)]
    pub retry_after: Option<Duration>,
    /// The text of the message after the chain.
    #[serde(default)]
    pub content: Option<String>,
    /// The display name after the chain.
    #[serde(default)]
    pub display_name: Option<String>,
    /// The entries that changed it, in the order of the chain.
    #[serde(default)]
    pub changed_by: Option<Vec<String>>,
    /// What single entries do, by name.
    #[serde(default)]
    pub entries: BTreeMap<String, Does>,
}

/// What becomes of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It takes effect.
    Pass,
    /// It is refused, and the client is told.
    Deny,
    /// It is refused, and the client is not told.
    Drop,
}

impl Verdict {
    pub fn as_str(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Deny => "deny",
            Verdict::Drop => "drop",
        }
    }
}

macro_rules! does {
    ($($(#[doc = $doc:literal])+ $name:ident = $word:literal,)+) => {
        /// What one entry does with an event; the words of [`Did`](crate::chain::Did).
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum Does {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Does {
            #[cfg(test)]
            const ALL: &[Does] = &[$(Does::$name,)+];

            pub fn as_str(self) -> &'static str {
                match self { $(Does::$name => $word,)+ }
            }
        }
    };
}

does! {
    /// It lets it through.
    Pass = "pass",
    /// It changes it and lets it through.
    Change = "change",
    /// It refuses it.
    Deny = "deny",
    /// It refuses it without a word.
    Drop = "drop",
    /// In shadow, it would change it.
    WouldChange = "would_change",
    /// In shadow, it would refuse it.
    WouldDeny = "would_deny",
    /// In shadow, it would refuse it without a word.
    WouldDrop = "would_drop",
    /// It fails or takes too long.
    Failed = "failed",
    /// It is off, left out, or does not handle such an event or this user's.
    NotAsked = "not_asked",
    /// An entry before it refused the event.
    NotReached = "not_reached",
}

impl Test {
    /// Its events, in their order.
    pub fn steps(&self) -> Vec<Step> {
        let one = self.event.clone().map(|event| Step {
            event,
            after: None,
            repeat: self.repeat,
            expect: self.expect.clone(),
        });
        one.into_iter().chain(self.steps.iter().cloned()).collect()
    }

    /// The way from the test to one of its steps.
    pub fn step_path(&self, step: usize) -> Vec<Segment> {
        match self.event {
            Some(_) => Vec::new(),
            None => vec!["steps".into(), step.into()],
        }
    }

    /// The clock at its beginning.
    pub fn clock(&self) -> Clock {
        let at = self.at.as_deref().and_then(parse_time);
        Clock::starting(at.unwrap_or(SystemTime::UNIX_EPOCH + seconds(BEGINNING)))
    }
}

/// A moment from 1970 on, in RFC 3339.
pub fn parse_time(text: &str) -> Option<SystemTime> {
    let time = SystemTime::from(OffsetDateTime::parse(text, &Rfc3339).ok()?);
    (time >= SystemTime::UNIX_EPOCH).then_some(time)
}

const fn seconds(seconds: u64) -> std::time::Duration {
    std::time::Duration::from_secs(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chain::Did;

    #[test]
    fn the_words_for_entries_are_those_of_the_chain() {
        assert_eq!(Does::ALL.iter().map(|does| does.as_str()).collect::<Vec<_>>(), Did::WORDS);
        for does in Does::ALL {
            let read: Does = serde_json::from_value(does.as_str().into()).unwrap();
            assert_eq!(read, *does);
        }
    }

    #[test]
    fn a_test_begins_with_2026() {
        let beginning = parse_time("2026-01-01T00:00:00Z").unwrap();
        assert_eq!(beginning, SystemTime::UNIX_EPOCH + seconds(BEGINNING));
        assert_eq!(parse_time("yesterday"), None);
    }
}
