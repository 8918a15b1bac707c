//! confab plugin: refuses or masks messages by words and patterns, on content that was
//! normalised, so that case, accents, invisible characters and disguises do not slip past.
#![doc = include_str!("../README.md")]

mod letters;
mod lookalike;
mod mask;
mod options;
mod patterns;
mod reduce;
mod survey;
#[cfg(test)]
mod tests;
mod word;
mod words;

use confab_plugin::{
    Context, Definition, Event, EventKind, HookError, Message, Plugin, Problem, Register, Verdict,
    async_trait,
};

use options::{Action, Rules};
pub use options::{MAX_WORDS, Options};
use patterns::Views;

/// The filter: one entry's words and patterns, compiled.
#[derive(Debug)]
pub struct Filter {
    rules: Rules,
    lookalikes: bool,
    code: String,
    message: Option<String>,
}

#[async_trait]
impl Plugin for Filter {
    async fn before(&self, _cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
        Ok(match event {
            Event::Message(message) => self.message(message),
            Event::Register(register) => self.register(register),
            _ => Verdict::Pass,
        })
    }
}

impl Filter {
    fn message(&self, message: &mut Message) -> Verdict {
        let content = message.content();
        let mut denied = false;
        let mut spans = Vec::new();
        self.rules.words.find(content, |action, span| {
            match action {
                Action::Deny => denied = true,
                Action::Mask => spans.push(span),
            }
            !denied
        });
        if denied {
            return self.refusal("This message is not allowed here.");
        }
        if !self.rules.deny.is_empty() || !self.rules.mask.is_empty() {
            let views = Views::new(content, self.lookalikes);
            if self.rules.deny.is_match(&views) {
                return self.refusal("This message is not allowed here.");
            }
            self.rules.mask.find(&views, |span| spans.push(span));
        }
        if !spans.is_empty() {
            let masked = self.rules.mask_with.apply(content, spans);
            message.set_content(masked);
        }
        Verdict::Pass
    }

    /// A name cannot be masked: what would be masked in a message is refused in a name.
    fn register(&self, register: &Register) -> Verdict {
        let names = [Some(register.username().as_str()), register.display_name()];
        if names.into_iter().flatten().any(|name| self.finds(name)) {
            return self.refusal("This name is not allowed here.");
        }
        Verdict::Pass
    }

    fn finds(&self, text: &str) -> bool {
        let mut found = false;
        self.rules.words.find(text, |_, _| {
            found = true;
            false
        });
        found || {
            let views = Views::new(text, self.lookalikes);
            self.rules.deny.is_match(&views) || self.rules.mask.is_match(&views)
        }
    }

    fn refusal(&self, default: &'static str) -> Verdict {
        match &self.message {
            Some(message) => Verdict::deny(self.code.clone(), message.clone()),
            None => Verdict::deny(self.code.clone(), default),
        }
    }
}

impl Definition for Filter {
    const NAME: &'static str = "filter";
    const SUMMARY: &'static str = "refuses or masks messages by words and patterns";
    const MANUAL: &'static str = include_str!("../README.md");
    const ON: &'static [EventKind] = &[EventKind::Message];
    type Options = Options;

    fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
        Ok(Self {
            rules: options.compile()?,
            lookalikes: options.lookalikes,
            code: options.code,
            message: options.message,
        })
    }
}
