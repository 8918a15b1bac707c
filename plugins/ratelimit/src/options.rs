//! What operators write in `[plugins.options]`, and what is wrong with it.

use confab_plugin::{Duration, EventKind, Problem, Segment};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    buckets::Buckets,
    rate::{MAX_FILL, Rate},
    rule::Rule,
};

/// The most rules of one entry.
pub const MAX_RULES: usize = 32;
const MAX_EVENTS: u32 = 1_000_000;
const MAX_KEYS: u32 = 10_000_000;
const MAX_MESSAGE: usize = 200;
const MAX_CODE: usize = 64;

/// The options of the limiter. At least one rule is needed.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// The limits. An event passes if every rule that counts it has a token. 1 to 32.
    #[schemars(length(min = 1, max = MAX_RULES))]
    pub rules: Vec<RuleOptions>,
    /// The most buckets that each rule keeps in memory, of 64 bytes. From 1 to 10000000.
    #[schemars(range(min = 1, max = MAX_KEYS))]
    pub max_keys: u32,
    /// The kinds of events that are dropped without a word when they are too many. Of the others
    /// the client is told.
    pub drop: Vec<EventKind>,
    /// The code of a refusal, for programs: 1 to 64 of a-z 0-9 _.
    #[schemars(regex(pattern = "^[a-z0-9_]{1,64}$"))]
    pub code: String,
    /// What the client is told. At most 200 characters.
    #[schemars(length(min = 1, max = MAX_MESSAGE))]
    pub message: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            max_keys: 100_000,
            drop: vec![EventKind::Typing],
            code: "rate_limited".into(),
            message: "Too much at once: wait a little.".into(),
        }
    }
}

/// One limit.
#[derive(Debug, Deserialize, JsonSchema, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RuleOptions {
    /// Who has a bucket of tokens.
    pub per: Per,
    /// The kinds of events that take a token. Unless given, all that the entry handles, without
    /// disconnect.
    pub kinds: Option<Vec<EventKind>>,
    /// So many events in each `every`. From 1 to 1000000.
    #[schemars(range(min = 1, max = MAX_EVENTS))]
    pub events: u32,
    /// The span of time that `events` counts for. From 1ms to 30days.
    #[serde(default = "second")]
    pub every: Duration,
    /// So many events at once: what a full bucket holds. Unless given, as many as `events`. From
    /// 1 to 1000000.
    #[schemars(range(min = 1, max = MAX_EVENTS))]
    pub burst: Option<u32>,
}

const fn second() -> Duration {
    Duration::from_secs(1)
}

/// Who has a bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Each user, from all devices together. Counts nothing before a login.
    User,
    /// Each IPv4 address, each IPv6 network of 64 bits. Counts no events of plugins.
    Address,
    /// Each user towards each other user.
    Conversation,
    /// Everybody together.
    All,
}

impl Per {
    fn as_str(self) -> &'static str {
        match self {
            Per::User => "user",
            Per::Address => "address",
            Per::Conversation => "conversation",
            Per::All => "all",
        }
    }

    /// Why such a rule cannot count events of `kind`, if so.
    fn misses(self, kind: EventKind) -> Option<&'static str> {
        use EventKind::{Connect, Disconnect, Login, Register};
        match (self, kind) {
            (_, Disconnect) => Some("a session's end cannot be refused"),
            (Per::User, Register | Login) => {
                Some("there is no user before a login: count it per address")
            }
            (Per::Conversation, Register | Login | Connect) => {
                Some("it is not part of a conversation")
            }
            _ => None,
        }
    }
}

impl Options {
    /// Builds the rules and checks everything else. Rules that share one bucket come last: see
    /// [`RateLimit`](crate::RateLimit).
    ///
    /// # Errors
    /// All that is wrong.
    pub fn build(&self) -> Result<Vec<Rule>, Vec<Problem>> {
        let mut problems = Vec::new();
        let max_keys = self.max_keys;
        if !(1..=MAX_KEYS).contains(&max_keys) {
            problems.push(Problem::at("max_keys", format!("give a number from 1 to {MAX_KEYS}")));
        }
        for (n, kind) in self.drop.iter().enumerate() {
            if *kind == EventKind::Disconnect {
                problems.push(Problem::at_item("drop", n, "a session's end cannot be refused"));
            }
        }
        let code = self.code.as_bytes();
        let word = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_');
        if !(1..=MAX_CODE).contains(&code.len()) || !code.iter().all(word) {
            problems.push(Problem::at("code", "write 1 to 64 of a-z 0-9 _"));
        }
        if !(1..=MAX_MESSAGE).contains(&self.message.chars().count()) {
            problems.push(Problem::at("message", format!("write 1 to {MAX_MESSAGE} characters")));
        }
        if !(1..=MAX_RULES).contains(&self.rules.len()) {
            let message = format!("{} rules: give 1 to {MAX_RULES}", self.rules.len());
            problems.push(Problem::at("rules", message));
            return Err(problems);
        }
        let mut rules = Vec::with_capacity(self.rules.len());
        for (index, rule) in self.rules.iter().enumerate() {
            // A table is made only once all is well: it may be large.
            match rule.check(index) {
                Ok(rate) if problems.is_empty() => rules.push(rule.build(index, rate, max_keys)),
                Ok(_) => {}
                Err(found) => problems.extend(found),
            }
        }
        rules.sort_by_key(|rule| rule.per == Per::All);
        if problems.is_empty() { Ok(rules) } else { Err(problems) }
    }
}

impl RuleOptions {
    fn burst(&self) -> u32 {
        self.burst.unwrap_or(self.events)
    }

    fn check(&self, index: usize) -> Result<Rate, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut add = |way: &[Segment], message: String| {
            let path = ["rules".into(), index.into()].into_iter().chain(way.iter().cloned());
            problems.push(Problem { path: path.collect(), message });
        };
        match &self.kinds {
            Some(kinds) if kinds.is_empty() => {
                add(&["kinds".into()], "name a kind, or leave `kinds` away for all".into());
            }
            kinds => {
                for (n, kind) in kinds.iter().flatten().enumerate() {
                    if let Some(why) = self.per.misses(*kind) {
                        add(&["kinds".into(), n.into()], why.into());
                    }
                }
            }
        }
        let numbers = 1..=MAX_EVENTS;
        let every = Duration::from_millis(1)..=Duration::from_secs(30 * 24 * 3600);
        let burst = self.burst.unwrap_or(1);
        if !numbers.contains(&self.events) {
            add(&["events".into()], format!("give a number from 1 to {MAX_EVENTS}"));
        }
        if !every.contains(&self.every) {
            add(&["every".into()], "give a span from 1ms to 30days".into());
        }
        if !numbers.contains(&burst) {
            add(&["burst".into()], format!("give a number from 1 to {MAX_EVENTS}"));
        }
        let rate = Rate::new(self.events, self.every.0, self.burst());
        if rate.is_none()
            && numbers.contains(&self.events)
            && every.contains(&self.every)
            && numbers.contains(&burst)
        {
            let days = MAX_FILL.as_secs() / (24 * 3600);
            let message = format!("a bucket of this size takes more than {days} days to fill");
            add(&["burst".into()], message);
        }
        match rate {
            Some(rate) if problems.is_empty() => Ok(rate),
            _ => Err(problems),
        }
    }

    fn build(&self, index: usize, rate: Rate, max_keys: u32) -> Rule {
        let counts = |kind| match &self.kinds {
            Some(kinds) => kinds.contains(&kind),
            None => self.per.misses(kind).is_none(),
        };
        let kinds = EventKind::ALL.map(counts);
        let (per, events, every, burst) =
            (self.per.as_str(), self.events, self.every, self.burst());
        let max = if self.per == Per::All { 1 } else { max_keys };
        Rule {
            index,
            per: self.per,
            kinds,
            rate,
            text: format!("per {per}, {events} in {every}, burst {burst}"),
            buckets: Buckets::new(usize::try_from(max).unwrap_or(usize::MAX)),
        }
    }
}
