//! What operators write in `[plugins.options]`, and what is wrong with it.

use confab_plugin::{Duration, Problem};
use schemars::JsonSchema;
use serde::Deserialize;

/// The most that a weight or a count may be.
const MAX_NUMBER: u32 = 1000;
/// The most messages of one user that are remembered.
const MAX_RECENT: u32 = 256;
const MAX_CODE: usize = 64;
const MAX_MESSAGE: usize = 200;
/// The longest time to look back.
const MAX_WINDOW: Duration = Duration::from_secs(24 * 60 * 60);
/// The fewest and the most entries of a bounded memory.
const MEMORY: [u32; 2] = [100, 10_000_000];

/// The options. Each signal is given by more than its `max_…`, and adds its weight to the score;
/// a weight of 0 turns it off.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Options {
    /// A message that scores this much or more is refused. From 1 to 1000.
    #[schemars(range(min = 1, max = MAX_NUMBER))]
    pub deny_score: u32,
    /// The code of a refusal, for programs: 1 to 64 of a-z 0-9 _.
    #[schemars(regex(pattern = "^[a-z0-9_]{1,64}$"))]
    pub code: String,
    /// What the sender of a refused message is told. At most 200 characters.
    #[schemars(length(min = 1, max = MAX_MESSAGE))]
    pub message: String,
    /// How far back repeated texts and recent links count. At most 24h.
    pub window: Duration,
    /// The same text to one person, this one included.
    #[schemars(range(max = MAX_RECENT))]
    pub max_repeats: u32,
    /// What more repeats add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub repeats_weight: u32,
    /// People that the same text is sent to.
    #[schemars(range(max = MAX_RECENT))]
    pub max_recipients: u32,
    /// What more people add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub recipients_weight: u32,
    /// Whether nearly the same text counts as the same, not only one that differs in case,
    /// digits, punctuation and the paths of links.
    pub near: bool,
    /// Links in one message.
    #[schemars(range(max = MAX_NUMBER))]
    pub max_links: u32,
    /// What more links add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub links_weight: u32,
    /// Links in a user's recent messages, counted when a message has a link.
    #[schemars(range(max = MAX_NUMBER))]
    pub max_recent_links: u32,
    /// What more recent links add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub recent_links_weight: u32,
    /// How far back new conversations count. At most 24h.
    pub new_conversations_window: Duration,
    /// Conversations that a user begins, counted when a message would begin another.
    #[schemars(range(max = MAX_NUMBER))]
    pub max_new_conversations: u32,
    /// What more new conversations add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub new_conversations_weight: u32,
    /// What a link to somebody whom the sender has not talked with adds to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub first_link_weight: u32,
    /// Capitals among 100 letters, in texts of at least 20 letters. At most 100.
    #[schemars(range(max = 100))]
    pub max_capitals: u32,
    /// What more capitals add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub capitals_weight: u32,
    /// One character in a row.
    #[schemars(range(max = MAX_NUMBER))]
    pub max_run: u32,
    /// What a longer run adds to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub run_weight: u32,
    /// Users mentioned as @name in one message.
    #[schemars(range(max = MAX_NUMBER))]
    pub max_mentions: u32,
    /// What more mentions add to the score.
    #[schemars(range(max = MAX_NUMBER))]
    pub mentions_weight: u32,
    /// The most users whose messages are remembered. From 100 to 10000000.
    #[schemars(range(min = MEMORY[0], max = MEMORY[1]))]
    pub max_users: u32,
    /// The most messages of one user that are remembered. From 1 to 256.
    #[schemars(range(min = 1, max = MAX_RECENT))]
    pub max_recent: u32,
    /// The most pairs of users of whom is remembered that they have talked. From 100 to 10000000.
    #[schemars(range(min = MEMORY[0], max = MEMORY[1]))]
    pub max_pairs: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            deny_score: 5,
            code: "spam".into(),
            message: "This looks like spam. Please wait a little before you go on.".into(),
            window: Duration::from_secs(5 * 60),
            max_repeats: 3,
            repeats_weight: 5,
            max_recipients: 5,
            recipients_weight: 4,
            near: true,
            max_links: 5,
            links_weight: 3,
            max_recent_links: 12,
            recent_links_weight: 3,
            new_conversations_window: Duration::from_secs(10 * 60),
            max_new_conversations: 10,
            new_conversations_weight: 5,
            first_link_weight: 2,
            max_capitals: 70,
            capitals_weight: 2,
            max_run: 20,
            run_weight: 2,
            max_mentions: 10,
            mentions_weight: 2,
            max_users: 10_000,
            max_recent: 32,
            max_pairs: 100_000,
        }
    }
}

impl Options {
    /// All that is wrong with the options.
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (key, value, [min, max]) in self.ranges() {
            if !(min..=max).contains(&value) {
                problems.push(Problem::at(key, format!("write a number from {min} to {max}")));
            }
        }
        for (key, window) in
            [("window", self.window), ("new_conversations_window", self.new_conversations_window)]
        {
            if window.0.is_zero() || window > MAX_WINDOW {
                problems.push(Problem::at(key, "write a time above 0s and up to 24h"));
            }
        }
        for (key, value, weight) in [
            ("max_repeats", self.max_repeats, self.repeats_weight),
            ("max_recipients", self.max_recipients, self.recipients_weight),
        ] {
            if weight > 0 && value > self.max_recent {
                let message = format!(
                    "never reached: max_recent = {} messages of a user are remembered",
                    self.max_recent
                );
                problems.push(Problem::at(key, message));
            }
        }
        if !is_code(&self.code) {
            problems.push(Problem::at("code", "write 1 to 64 of a-z 0-9 _"));
        }
        if !(1..=MAX_MESSAGE).contains(&self.message.chars().count()) {
            let message = format!("write 1 to {MAX_MESSAGE} characters");
            problems.push(Problem::at("message", message));
        }
        let most: u64 = self.weights().into_iter().map(|(_, weight)| u64::from(weight)).sum();
        if most < u64::from(self.deny_score) {
            let message = format!("never reached: all weights together are {most}");
            problems.push(Problem::at("deny_score", message));
        }
        problems
    }

    fn weights(&self) -> [(&'static str, u32); 9] {
        [
            ("repeats_weight", self.repeats_weight),
            ("recipients_weight", self.recipients_weight),
            ("links_weight", self.links_weight),
            ("recent_links_weight", self.recent_links_weight),
            ("new_conversations_weight", self.new_conversations_weight),
            ("first_link_weight", self.first_link_weight),
            ("capitals_weight", self.capitals_weight),
            ("run_weight", self.run_weight),
            ("mentions_weight", self.mentions_weight),
        ]
    }

    /// Every number, and from where to where it may go.
    fn ranges(&self) -> impl Iterator<Item = (&'static str, u32, [u32; 2])> {
        let others = [
            ("deny_score", self.deny_score, [1, MAX_NUMBER]),
            ("max_repeats", self.max_repeats, [0, MAX_RECENT]),
            ("max_recipients", self.max_recipients, [0, MAX_RECENT]),
            ("max_links", self.max_links, [0, MAX_NUMBER]),
            ("max_recent_links", self.max_recent_links, [0, MAX_NUMBER]),
            ("max_new_conversations", self.max_new_conversations, [0, MAX_NUMBER]),
            ("max_capitals", self.max_capitals, [0, 100]),
            ("max_run", self.max_run, [0, MAX_NUMBER]),
            ("max_mentions", self.max_mentions, [0, MAX_NUMBER]),
            ("max_users", self.max_users, MEMORY),
            ("max_recent", self.max_recent, [1, MAX_RECENT]),
            ("max_pairs", self.max_pairs, MEMORY),
        ];
        let weights = self.weights().map(|(key, weight)| (key, weight, [0, MAX_NUMBER]));
        others.into_iter().chain(weights)
    }
}

fn is_code(code: &str) -> bool {
    (1..=MAX_CODE).contains(&code.len())
        && code.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}
