//! confab plugin: limits how often users, addresses, conversations or all together may act, by
//! token buckets.
#![doc = include_str!("../README.md")]

mod buckets;
mod meters;
mod options;
mod rate;
mod rule;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, sync::OnceLock, time::Duration};

use confab_plugin::{
    Context, Definition, Event, EventKind, HookError, Host, Place, Plugin, Problem, Verdict,
    async_trait,
};

use meters::Meters;
pub use options::{MAX_RULES, Options, Per, RuleOptions};
use rule::Rule;

/// The limiter: one entry's rules and their buckets.
///
/// Many events are decided at once, on several threads. An event holds the locks of all the
/// buckets it needs, one in each rule's table, until it is decided: either every rule had a token
/// and each gives one, or none gives any. So no rule ever gives more than it has, and an event
/// that one rule refuses costs nothing in the others.
///
/// Invariant: everyone takes these locks in the same order, that of `rules`; so nobody waits for
/// somebody who waits for him. Rules with one bucket for all are last: theirs is the lock that
/// everybody wants, and it is held the shortest. No lock is held across an await.
#[derive(Debug)]
pub struct RateLimit {
    entry: String,
    rules: Vec<Rule>,
    drop: [bool; EventKind::ALL.len()],
    code: Cow<'static, str>,
    message: Cow<'static, str>,
    /// Made when the entry starts, and not in a rehearsal.
    meters: OnceLock<Meters>,
}

impl RateLimit {
    /// Takes a token from each of `rules` that counts the event.
    ///
    /// # Errors
    /// After how long all of them have one; then none is taken.
    fn take(&self, rules: &[Rule], cx: &Context, event: &Event) -> Result<(), Duration> {
        // As deep as there are rules: at most MAX_RULES.
        let Some((rule, others)) = rules.split_first() else { return Ok(()) };
        let Some(who) = rule.who(cx, event) else { return self.take(others, cx, event) };
        let place = rule.buckets.place(who, cx.arrived);
        let answer = rule.rate.take(place.missing());
        rule.note(cx, answer);
        match answer {
            Ok(missing) => {
                self.take(others, cx, event)?;
                let kept = place.keep(missing);
                if let Some(meters) = self.meters.get() {
                    meters.kept(kept);
                }
                Ok(())
            }
            Err(wait) => {
                drop(place);
                if let Some(meters) = self.meters.get() {
                    meters.refused(rule);
                }
                Err(wait.max(self.take_none(others, cx, event)))
            }
        }
    }

    /// After how long all of `rules` that count the event have a token. Takes none.
    fn take_none(&self, rules: &[Rule], cx: &Context, event: &Event) -> Duration {
        let wait = |rule: &Rule| {
            let place = rule.buckets.place(rule.who(cx, event)?, cx.arrived);
            let answer = rule.rate.take(place.missing());
            drop(place);
            rule.note(cx, answer);
            let wait = answer.err()?;
            if let Some(meters) = self.meters.get() {
                meters.refused(rule);
            }
            Some(wait)
        };
        rules.iter().filter_map(wait).max().unwrap_or_default()
    }
}

#[async_trait]
impl Plugin for RateLimit {
    async fn start(&self, host: &Host) -> Result<(), HookError> {
        if !host.is_rehearsal() {
            self.meters.get_or_init(|| Meters::register(&self.entry, self.rules.len()));
        }
        Ok(())
    }

    async fn before(&self, cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        Ok(match self.take(&self.rules, cx, event) {
            Ok(()) => Verdict::Pass,
            Err(_) if self.drop.get(event.kind() as usize).is_some_and(|drop| *drop) => {
                Verdict::Drop
            }
            Err(wait) => Verdict::deny_for(self.code.clone(), self.message.clone(), wait),
        })
    }

    fn judges(&self, kind: EventKind) -> bool {
        self.rules.iter().any(|rule| rule.kinds.get(kind as usize).is_some_and(|counts| *counts))
    }

    async fn stop(&self) {
        if let Some(meters) = self.meters.get() {
            meters.forget(self.rules.iter().map(|rule| rule.buckets.len()).sum());
        }
    }
}

impl Definition for RateLimit {
    const NAME: &'static str = "ratelimit";
    const SUMMARY: &'static str = "limits how often users and addresses may act";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &[
        EventKind::Register,
        EventKind::Login,
        EventKind::Connect,
        EventKind::Message,
        EventKind::Typing,
        EventKind::Seen,
    ];
    const PLACE: &'static [Place] = &[
        Place::Before { plugin: "filter", why: "what is too much need not be searched" },
        Place::Before { plugin: "webhook", why: "what is too much need not be sent to a service" },
    ];
    type Options = Options;

    fn new(entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            entry: entry.to_owned(),
            rules: options.build()?,
            drop: EventKind::ALL.map(|kind| options.drop.contains(&kind)),
            code: options.code.into(),
            message: options.message.into(),
            meters: OnceLock::new(),
        })
    }
}
