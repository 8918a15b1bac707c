//! confab plugin: gives each message a score by what makes it look like spam, and refuses those
//! that score too much.
#![doc = include_str!("../README.md")]

mod history;
mod links;
mod memory;
mod options;
mod score;
mod sketch;
#[cfg(test)]
mod tests;
mod text;

use std::sync::OnceLock;

use confab_plugin::{
    Context, Decision, Definition, Event, EventKind, HookError, Host, Message, Outcome, Place,
    Plugin, Problem, UserId, Verdict, async_trait,
};
use metrics::{Counter, Unit, counter, describe_counter};

use history::{Candidate, Ending, History};
use memory::Memory;
pub use options::Options;
use score::{Score, Signal};
use text::Text;

const SIGNALS: &str = "confab_spam_signals_total";

/// The judge: one entry's options, and what it remembers.
#[derive(Debug)]
pub struct Spam {
    options: Options,
    users: Memory<UserId, History>,
    /// Those who have talked, the smaller id first.
    pairs: Memory<(UserId, UserId), ()>,
    /// Only in a daemon: a rehearsal counts and logs nothing.
    running: OnceLock<Running>,
}

/// What the entry has once it runs.
#[derive(Debug)]
struct Running {
    entry: String,
    signals: [Counter; Signal::ALL.len()],
}

#[async_trait]
impl Plugin for Spam {
    async fn start(&self, host: &Host) -> Result<(), HookError> {
        if !host.is_rehearsal() {
            self.running.get_or_init(|| Running::register(host.entry()));
        }
        Ok(())
    }

    async fn before(&self, cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        let Event::Message(message) = event else { return Ok(Verdict::Pass) };
        if cx.sent_by.is_some() || message.from() == message.to() {
            return Ok(Verdict::Pass);
        }
        let candidate = self.candidate(cx, message);
        let judged =
            self.users.with(message.from(), |history| history.judge(&self.options, &candidate));
        let Some(score) = judged else {
            cx.note(|| "a retry of a message that was let through".to_owned());
            return Ok(Verdict::Pass);
        };
        let (total, most) = (score.total(), self.options.deny_score);
        cx.note(|| match score.why() {
            why if why.is_empty() => format!("score {total} of {most}"),
            why => format!("score {total} of {most}: {why}"),
        });
        let refused = total >= most;
        if let Some(running) = self.running.get() {
            running.count(&score);
            if refused {
                running.tell(cx, message, &score);
            }
        }
        if refused {
            let Options { code, message, .. } = &self.options;
            return Ok(Verdict::deny(code.clone(), message.clone()));
        }
        Ok(Verdict::Pass)
    }

    fn judges(&self, kind: EventKind) -> bool {
        kind == EventKind::Message
    }

    fn after(&self, cx: &Context, event: &Event, outcome: &Outcome) {
        let Event::Message(message) = event else { return };
        let (from, to) = (message.from(), message.to());
        if from == to || !self.needs_pairs() {
            return;
        }
        let accepted = matches!(outcome.decision, Decision::Accepted { .. });
        let pair = pair(from, to);
        let acquainted = self.pairs.existing(pair, |()| ()).is_some();
        if accepted && !acquainted {
            self.pairs.with(pair, |()| ());
        }
        let ending = match outcome.decision {
            Decision::Accepted { seq: Some(1), duplicate: false } => Ending::First,
            _ => Ending::Other,
        };
        // Nothing is unsettled between those who have talked.
        if cx.sent_by.is_none() && (!acquainted || ending == Ending::First) {
            let settle = |history: &mut History| {
                history.settle(&self.options, to, cx.arrived, ending);
            };
            self.users.existing(from, settle);
        }
    }
}

impl Spam {
    fn candidate(&self, cx: &Context, message: &Message) -> Candidate {
        let (content, to) = (message.content(), message.to());
        let acquainted =
            self.needs_pairs() && self.pairs.existing(pair(message.from(), to), |()| ()).is_some();
        Candidate {
            at: cx.arrived,
            to,
            text: Text::new(content, self.options.near),
            retry: message.client_id().map(|id| text::hash((id, to, content))),
            acquainted,
        }
    }

    fn needs_pairs(&self) -> bool {
        self.options.new_conversations_weight > 0 || self.options.first_link_weight > 0
    }
}

impl Running {
    fn register(entry: &str) -> Self {
        describe_counter!(SIGNALS, Unit::Count, "Signals of spam that messages gave, by entry.");
        let signals = Signal::ALL.map(|signal| {
            let labels = [("plugin", entry.to_owned()), ("signal", signal.as_str().to_owned())];
            let signals = counter!(SIGNALS, &labels);
            signals.increment(0);
            signals
        });
        Self { entry: entry.to_owned(), signals }
    }

    fn count(&self, score: &Score) {
        for reason in &score.reasons {
            if let Some(counter) = self.signals.get(reason.signal as usize) {
                counter.increment(1);
            }
        }
    }

    /// Logs a refusal. Never the content.
    fn tell(&self, cx: &Context, message: &Message, score: &Score) {
        let name = cx.user.as_ref().map(|user| user.name.as_str());
        tracing::info!(
            target: "confab::spam",
            plugin = self.entry,
            user = %message.from(),
            name,
            score = score.total(),
            reasons = score.why(),
            "a message was scored as spam"
        );
    }
}

fn pair(one: UserId, other: UserId) -> (UserId, UserId) {
    (one.min(other), one.max(other))
}

impl Definition for Spam {
    const NAME: &'static str = "spam";
    const SUMMARY: &'static str = "refuses messages that look like spam, by score";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &[EventKind::Message];
    const PLACE: &'static [Place] = &[
        Place::After { plugin: "ratelimit", why: "what it refuses need not be scored" },
        Place::Before { plugin: "webhook", why: "what is spam need not be sent away to be judged" },
    ];
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        let problems = options.problems();
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            users: Memory::new(options.max_users as usize),
            pairs: Memory::new(options.max_pairs as usize),
            running: OnceLock::new(),
            options,
        })
    }
}
