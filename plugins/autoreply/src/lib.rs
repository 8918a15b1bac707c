//! confab plugin: a bot that answers messages sent to it, by rules.
#![doc = include_str!("../README.md")]

mod cooldown;
mod rules;
mod template;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use confab_plugin::{
    Bot, Context, Decision, Definition, Duration, Event, EventKind, HookError, Host, Message,
    Outcome, Plugin, Problem, SendError, Username, async_trait,
};
use metrics::{Counter, Unit, counter, describe_counter};
use schemars::JsonSchema;
use serde::Deserialize;

use cooldown::Cooldown;
pub use rules::Rule;
use rules::{MAX_RULES, Rules};
use template::Template;

const REPLIES: &str = "confab_autoreply_replies_total";
/// The most characters of a display name, as for any account.
const MAX_DISPLAY_NAME: usize = 64;
const MIN_COOLDOWN: Duration = Duration::from_millis(100);
const MAX_COOLDOWN: Duration = Duration::from_secs(24 * 60 * 60);
/// A message of more bytes that no rule matches begins a short pause: it was tried on all rules,
/// and a flood of such messages would take a processor for itself.
const LONG: usize = 256;
const LONG_PAUSE: Duration = Duration::from_millis(100);
/// The fewest and the most users whose last reply is remembered.
const USERS: [u32; 2] = [100, 10_000_000];

/// The options of the bot.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The username of the bot's account. It is made if it does not exist; nobody can log in to
    /// it.
    pub bot: String,
    /// The name that people see. At most 64 characters.
    #[serde(default)]
    #[schemars(length(min = 1, max = MAX_DISPLAY_NAME))]
    pub display_name: Option<String>,
    /// What the bot answers to what. The first rule that matches is used. At most 200.
    #[serde(default)]
    #[schemars(length(max = MAX_RULES))]
    pub rules: Vec<Rule>,
    /// The reply when no rule matches; {user} stands for the sender's name. Without one, the bot
    /// is silent then.
    #[serde(default)]
    #[schemars(length(min = 1, max = Template::MAX_CHARS))]
    pub fallback: Option<String>,
    /// A user gets one reply in this time; what comes sooner is not answered. From 100ms to 24h.
    #[serde(default = "default_cooldown")]
    pub cooldown: Duration,
    /// The most users whose last reply is remembered. From 100 to 10000000.
    #[serde(default = "default_max_users")]
    #[schemars(range(min = USERS[0], max = USERS[1]))]
    pub max_users: u32,
}

fn default_cooldown() -> Duration {
    Duration::from_secs(2)
}

fn default_max_users() -> u32 {
    10_000
}

/// The bot: one entry's rules, and the account it answers under.
pub struct AutoReply {
    name: Username,
    display_name: Option<String>,
    rules: Rules,
    cooldown: Cooldown,
    /// Not in a rehearsal.
    running: OnceLock<Running>,
}

struct Running {
    bot: Bot,
    results: [Counter; Reply::ALL.len()],
}

/// What became of a message to the bot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reply {
    Sent,
    Cooldown,
    NoMatch,
    QueueFull,
    NotReady,
    Refused,
}

impl Reply {
    const ALL: [(Reply, &'static str); 6] = [
        (Reply::Sent, "sent"),
        (Reply::Cooldown, "cooldown"),
        (Reply::NoMatch, "no_match"),
        (Reply::QueueFull, "queue_full"),
        (Reply::NotReady, "not_ready"),
        (Reply::Refused, "refused"),
    ];
}

#[async_trait]
impl Plugin for AutoReply {
    async fn start(&self, host: &Host) -> Result<(), HookError> {
        if !host.is_rehearsal() {
            self.running.get_or_init(|| Running {
                bot: host.bot(self.name.clone(), self.display_name.as_deref()),
                results: register(host.entry()),
            });
        }
        Ok(())
    }

    fn judges(&self, _: EventKind) -> bool {
        false
    }

    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        let (Event::Message(message), Decision::Accepted { seq: Some(seq), duplicate: false }) =
            (event, &outcome.decision)
        else {
            return;
        };
        let Some(running) = self.running.get() else { return };
        // What a plugin's bot says is never answered: two of them would go on for ever.
        if cx.sent_by.is_some() || Some(message.to()) != running.bot.id() {
            return;
        }
        let reply = self.reply(&running.bot, cx, message, *seq);
        if let Some(counter) = running.results.get(reply as usize) {
            counter.increment(1);
        }
    }
}

impl AutoReply {
    fn reply(&self, bot: &Bot, cx: &Context, message: &Message, seq: u64) -> Reply {
        let user = message.from();
        // Before the rules are tried: a flood costs no more than this.
        if self.cooldown.is_on(user, cx.arrived) {
            return Reply::Cooldown;
        }
        let Some(template) = self.rules.reply(message.content()) else {
            if message.content().len() > LONG {
                self.cooldown.begin_for(user, cx.arrived, LONG_PAUSE.0);
            }
            return Reply::NoMatch;
        };
        if !self.cooldown.begin(user, cx.arrived) {
            return Reply::Cooldown;
        }
        let name = cx.user.as_ref().map_or("", |user| user.name.as_str());
        // The conversation and the place in it: one answer, however often it is tried.
        let id = format!("reply-{user}-{seq}");
        match bot.send(cx, user, template.fill(name), Some(id.into())) {
            Ok(()) => Reply::Sent,
            Err(SendError::QueueFull) => Reply::QueueFull,
            Err(SendError::NotReady) => Reply::NotReady,
            Err(_) => Reply::Refused,
        }
    }
}

fn register(entry: &str) -> [Counter; Reply::ALL.len()] {
    describe_counter!(REPLIES, Unit::Count, "Messages to a bot, by entry and what became of them.");
    Reply::ALL.map(|(_, result)| {
        let labels = [("plugin", entry.to_owned()), ("result", result.to_owned())];
        let replies = counter!(REPLIES, &labels);
        replies.increment(0);
        replies
    })
}

impl Definition for AutoReply {
    const NAME: &'static str = "autoreply";
    const SUMMARY: &'static str = "a bot that answers messages by rules";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        let mut problems = Vec::new();
        let name: Result<Username, _> = options.bot.parse();
        let name = name.map_err(|error| problems.push(Problem::at("bot", error.to_string())));
        if let Some(name) = &options.display_name
            && (!(1..=MAX_DISPLAY_NAME).contains(&name.chars().count())
                || name.trim().is_empty()
                || name.chars().any(char::is_control))
        {
            let message = format!(
                "write 1 to {MAX_DISPLAY_NAME} characters that can be seen, none a control character"
            );
            problems.push(Problem::at("display_name", message));
        }
        if !(MIN_COOLDOWN..=MAX_COOLDOWN).contains(&options.cooldown) {
            let message = "write a time from 100ms to 24h: without a pause, two bots could keep \
                           each other busy";
            problems.push(Problem::at("cooldown", message));
        }
        if !(USERS[0]..=USERS[1]).contains(&options.max_users) {
            let message = format!("write a number from {} to {}", USERS[0], USERS[1]);
            problems.push(Problem::at("max_users", message));
        }
        let rules = Rules::new(&options.rules, options.fallback.as_deref());
        let rules = rules.map_err(|found| problems.extend(found));
        match (name, rules) {
            (Ok(name), Ok(rules)) if problems.is_empty() => Ok(Self {
                name,
                display_name: options.display_name,
                rules,
                cooldown: Cooldown::new(options.cooldown.0, options.max_users as usize),
                running: OnceLock::new(),
            }),
            _ => Err(problems),
        }
    }
}
