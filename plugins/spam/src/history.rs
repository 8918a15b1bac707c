//! What is remembered of one user, and the score of the user's next message by it.

use std::{collections::VecDeque, num::NonZeroU64, time::Instant};

use confab_plugin::{Duration, UserId};

use crate::{
    Options,
    score::{Reason, Score, Signal},
    text::{Print, Text},
};

/// A user's recent messages and the conversations the user began.
///
/// Invariant: at most `max_recent` messages and `max_new_conversations` conversations; nothing
/// that a reader could read.
#[derive(Debug, Default)]
pub struct History {
    recent: VecDeque<Sent>,
    begun: VecDeque<Begun>,
}

/// A message that the user sent, refused or not.
#[derive(Debug)]
struct Sent {
    at: Instant,
    to: UserId,
    print: Print,
    links: u32,
    /// By which a retry is known.
    retry: Option<NonZeroU64>,
    passed: bool,
}

/// A conversation that the user began, or may have: until the outcome is known, a message to
/// somebody new counts as a beginning, so that many sent at once are seen.
#[derive(Debug)]
struct Begun {
    at: Instant,
    to: UserId,
    sure: bool,
}

/// A message that asks for its score.
#[derive(Clone, Copy, Debug)]
pub struct Candidate {
    /// When it arrived.
    pub at: Instant,
    /// The recipient.
    pub to: UserId,
    /// What was seen in it.
    pub text: Text,
    /// By which a retry is known: what the client's id, the recipient and the content hash to.
    pub retry: Option<NonZeroU64>,
    /// Whether the two have talked before, as far as is known.
    pub acquainted: bool,
}

/// How an attempt to send a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It is the first of its conversation.
    First,
    /// It is not, or was refused.
    Other,
}

impl History {
    /// The score of `message`, which is then remembered; `None` for the retry of a message that
    /// was let through, which goes through again: it may be stored, and its sender is owed the
    /// answer. The retry of a refused one is scored anew and counts once.
    pub fn judge(&mut self, options: &Options, message: &Candidate) -> Option<Score> {
        let known = message
            .retry
            .and_then(|retry| self.recent.iter().position(|sent| sent.retry == Some(retry)));
        if known.and_then(|place| self.recent.get(place)).is_some_and(|sent| sent.passed) {
            return None;
        }
        let score = self.score(options, message, known);
        let passed = score.total() < options.deny_score;
        match known.and_then(|place| self.recent.get_mut(place)) {
            Some(sent) => sent.passed = passed,
            None => self.remember(options, message, passed),
        }
        if passed && !message.acquainted && options.new_conversations_weight > 0 {
            self.begin(options, message.to, message.at, false);
        }
        Some(score)
    }

    /// Learns how a message to `to` ended that arrived `at`.
    pub fn settle(&mut self, options: &Options, to: UserId, at: Instant, ending: Ending) {
        match ending {
            Ending::First => self.begin(options, to, at, true),
            Ending::Other => self.begun.retain(|begun| begun.sure || begun.to != to),
        }
    }

    fn remember(&mut self, options: &Options, message: &Candidate, passed: bool) {
        while self.recent.len() >= options.max_recent as usize {
            self.recent.pop_front();
        }
        let &Candidate { at, to, text, retry, .. } = message;
        self.recent.push_back(Sent { at, to, print: text.print, links: text.links, retry, passed });
    }

    fn begin(&mut self, options: &Options, to: UserId, at: Instant, sure: bool) {
        if let Some(begun) = self.begun.iter_mut().find(|begun| begun.to == to) {
            begun.sure |= sure;
            return;
        }
        let most = options.max_new_conversations as usize;
        self.begun.retain(|begun| is_within(begun.at, at, options.new_conversations_window));
        while self.begun.len() >= most.max(1) {
            self.begun.pop_front();
        }
        if most > 0 {
            self.begun.push_back(Begun { at, to, sure });
        }
    }

    /// The score by everything but the message at `except`, the attempt before.
    fn score(&self, options: &Options, message: &Candidate, except: Option<usize>) -> Score {
        let Candidate { at, to, text, .. } = message;
        let (mut repeats, mut others, mut recent_links) = (1u32, Vec::new(), text.links);
        let sent = self.recent.iter().enumerate().filter(|(place, _)| Some(*place) != except);
        for (_, sent) in sent.filter(|(_, sent)| is_within(sent.at, *at, options.window)) {
            recent_links = recent_links.saturating_add(sent.links);
            if !sent.print.is_same(&text.print) {
                continue;
            }
            if sent.to == *to {
                repeats += 1;
            } else if !others.contains(&sent.to) {
                others.push(sent.to);
            }
        }
        let begun = self.begun.iter().filter(|begun| {
            begun.to != *to && is_within(begun.at, *at, options.new_conversations_window)
        });
        let new = if message.acquainted { 0 } else { 1 + count(begun.count()) };
        let first_links = if message.acquainted { 0 } else { text.links };
        let recent_links = if text.links == 0 { 0 } else { recent_links };

        let o = options;
        let rows = [
            (Signal::Repeats, repeats, o.max_repeats, o.repeats_weight, o.window),
            (
                Signal::Recipients,
                1 + count(others.len()),
                o.max_recipients,
                o.recipients_weight,
                o.window,
            ),
            (Signal::Links, text.links, o.max_links, o.links_weight, o.window),
            (
                Signal::RecentLinks,
                recent_links,
                o.max_recent_links,
                o.recent_links_weight,
                o.window,
            ),
            (
                Signal::NewConversations,
                new,
                o.max_new_conversations,
                o.new_conversations_weight,
                o.new_conversations_window,
            ),
            (Signal::FirstLink, first_links, 0, o.first_link_weight, o.window),
            (Signal::Capitals, text.capitals, o.max_capitals, o.capitals_weight, o.window),
            (Signal::Run, text.run, o.max_run, o.run_weight, o.window),
            (Signal::Mentions, text.mentions, o.max_mentions, o.mentions_weight, o.window),
        ];
        let given =
            rows.into_iter().filter(|(_, count, max, weight, _)| count > max && *weight > 0);
        Score {
            reasons: given
                .map(|(signal, count, _, weight, within)| Reason { signal, count, weight, within })
                .collect(),
        }
    }
}

/// Whether `then` is at most `window` before `now`. Events of several sessions overtake each
/// other: one that arrived later counts as well.
fn is_within(then: Instant, now: Instant, window: Duration) -> bool {
    now.saturating_duration_since(then) <= window.0
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_takes_the_memory_that_the_manual_says() {
        assert_eq!((size_of::<Sent>(), size_of::<Begun>()), (80, 48));
    }
    #[test]
    fn what_has_begun_is_not_undone_once_the_pair_is_forgotten() {
        let options = Options { max_new_conversations: 2, ..Options::default() };
        let (mut history, now) = (History::default(), Instant::now());
        let [sure, unsure] = [1, 2].map(UserId::from_u128);
        history.begin(&options, unsure, now, false);
        history.settle(&options, sure, now, Ending::First);
        for to in [sure, unsure] {
            history.settle(&options, to, now, Ending::Other);
        }
        assert_eq!(history.begun.iter().map(|begun| begun.to).collect::<Vec<_>>(), [sure]);
    }
}
