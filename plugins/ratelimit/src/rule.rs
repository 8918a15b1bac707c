//! One rule: which events it counts, in whose bucket, at which rate.

use std::{fmt, time::Duration};

use confab_plugin::{Context, Event, EventKind};

use crate::{
    buckets::{Buckets, Who},
    options::Per,
    rate::Rate,
};

/// A rule with its buckets.
#[derive(Debug)]
pub struct Rule {
    /// Its place in the options, from 0.
    pub index: usize,
    /// Who has a bucket.
    pub per: Per,
    /// The kinds of events it counts, in the order of [`EventKind::ALL`].
    pub kinds: [bool; EventKind::ALL.len()],
    /// How fast the buckets fill.
    pub rate: Rate,
    /// How the rule reads, for `confab explain`.
    pub text: String,
    /// The buckets.
    pub buckets: Buckets,
}

impl Rule {
    /// Whose bucket the event takes a token from; `None` if the rule does not count it.
    pub fn who(&self, cx: &Context, event: &Event) -> Option<Who> {
        if !self.kinds.get(event.kind() as usize).is_some_and(|counts| *counts) {
            return None;
        }
        match self.per {
            Per::All => Some(Who::All),
            Per::User => cx.user.as_ref().map(|user| Who::User(user.id)),
            // A bot's message comes over no connection.
            Per::Address => cx.sent_by.is_none().then(|| Who::at(cx.address)),
            Per::Conversation => match event {
                Event::Message(message) => Some(Who::Conversation(message.from(), message.to())),
                Event::Typing(typing) => Some(Who::Conversation(typing.from(), typing.to())),
                Event::Seen(seen) => Some(Who::Conversation(seen.from(), seen.to())),
                _ => None,
            },
        }
    }

    /// Tells whoever listens what the rule makes of an event.
    pub fn note(&self, cx: &Context, answer: Result<Duration, Duration>) {
        cx.note(|| match answer {
            Ok(missing) => format!("{self}: has a token, and {} more", self.rate.tokens(missing)),
            Err(wait) => format!("{self}: refuses, its next token comes in {wait:?}"),
        });
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rules[{}] ({})", self.index, self.text)
    }
}
