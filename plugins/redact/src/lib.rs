//! confab plugin: masks payment card numbers, bank account numbers, e-mail addresses and
//! telephone numbers in messages.
#![doc = include_str!("../README.md")]

mod cards;
mod emails;
mod glyph;
mod ibans;
mod mask;
mod options;
mod phones;
#[cfg(test)]
mod tests;

use std::{borrow::Cow, ops::Range, sync::OnceLock};

use confab_plugin::{
    Context, Definition, Event, EventKind, HookError, Host, Place, Plugin, Problem, Verdict,
    async_trait,
};
use metrics::{Counter, Unit, counter, describe_counter};

use glyph::{Glyph, glyphs, source};
use mask::{Hidden, Mask};
pub use options::{Options, What};

const MASKED: &str = "confab_redact_masked_total";

/// The masker: one entry's options, checked.
#[derive(Debug)]
pub struct Redact {
    entry: String,
    what: Vec<What>,
    mask: Mask,
    keep_last: usize,
    allowed: Vec<String>,
    /// By what is masked, in the order of `what`. Made when the entry starts, and not in a
    /// rehearsal.
    masked: OnceLock<Vec<Counter>>,
}

impl Redact {
    /// `text` with all that was found masked; `None` if nothing was.
    ///
    /// Invariant: what is masked is not found again, so that an event that passes twice is
    /// changed once. Each kind is looked for in what the kinds before it left, and a mask never
    /// is part of a match.
    fn redact(&self, cx: &Context, text: &str) -> Option<String> {
        if !may_hold(text) {
            return None;
        }
        let mut text = Cow::Borrowed(text);
        let mut glyphs = glyphs(&text);
        for (place, what) in self.what.iter().enumerate() {
            let hidden = self.find(*what, &glyphs);
            if hidden.is_empty() {
                continue;
            }
            cx.note(|| format!("masks {} of the kind {}", hidden.len(), what.as_str()));
            if let Some(masked) = self.masked.get().and_then(|masked| masked.get(place)) {
                masked.increment(hidden.len() as u64);
            }
            text = Cow::Owned(self.mask.apply(&text, &hidden));
            glyphs = glyph::glyphs(&text);
        }
        match text {
            Cow::Owned(text) => Some(text),
            Cow::Borrowed(_) => None,
        }
    }

    fn find(&self, what: What, glyphs: &[Glyph]) -> Vec<Hidden> {
        let whole = |found: Vec<Range<usize>>| {
            let hidden = |range| Hidden { bytes: source(glyphs, &range), tail: String::new() };
            found.into_iter().map(hidden).collect()
        };
        match what {
            What::Emails => whole(emails::find(glyphs, |domain| self.allows(domain))),
            What::Ibans => whole(ibans::find(glyphs)),
            What::Phones => whole(phones::find(glyphs)),
            What::Cards => cards::find(glyphs, self.keep_last)
                .into_iter()
                .map(|card| Hidden { bytes: source(glyphs, &card.glyphs), tail: card.tail })
                .collect(),
        }
    }

    fn allows(&self, domain: &str) -> bool {
        self.allowed.iter().any(|allowed| {
            domain.strip_suffix(&**allowed).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'))
        })
    }
}

/// Whether it is worth while to look closely: most texts have neither digits nor an @, nor
/// characters that could stand for them.
fn may_hold(text: &str) -> bool {
    // The check digits of a bank account; all else there may be letters.
    const FEWEST: usize = 2;
    let digits = text.bytes().filter(u8::is_ascii_digit).take(FEWEST).count();
    digits == FEWEST || text.bytes().any(|b| b == b'@' || !b.is_ascii())
}

#[async_trait]
impl Plugin for Redact {
    async fn start(&self, host: &Host) -> Result<(), HookError> {
        if !host.is_rehearsal() {
            self.masked.get_or_init(|| {
                describe_counter!(MASKED, Unit::Count, "What was masked in events, by kind.");
                let counter = |what: &What| {
                    let masked = counter!(
                        MASKED, "plugin" => self.entry.clone(), "what" => what.as_str()
                    );
                    masked.increment(0);
                    masked
                };
                self.what.iter().map(counter).collect()
            });
        }
        Ok(())
    }

    async fn before(&self, cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        match event {
            Event::Message(message) => {
                if let Some(masked) = self.redact(cx, message.content()) {
                    message.set_content(masked);
                }
            }
            Event::Register(register) => {
                let name = register.display_name();
                if let Some(masked) = name.and_then(|name| self.redact(cx, name)) {
                    register.set_display_name(Some(masked));
                }
            }
            _ => {}
        }
        Ok(Verdict::Pass)
    }
}

impl Definition for Redact {
    const NAME: &'static str = "redact";
    const SUMMARY: &'static str =
        "masks card numbers, bank accounts, e-mail addresses and phone numbers";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &[EventKind::Message];
    const PLACE: &'static [Place] = &[Place::Before {
        plugin: "webhook",
        why: "what is masked must not reach the service either",
    }];
    type Options = Options;

    fn new(entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        let (mask, allowed) = options.check()?;
        let what = What::ALL.into_iter().filter(|what| options.what.contains(what)).collect();
        Ok(Self {
            entry: entry.to_owned(),
            what,
            mask,
            keep_last: usize::from(options.keep_last),
            allowed,
            masked: OnceLock::new(),
        })
    }
}
