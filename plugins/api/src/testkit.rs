//! Runs one hook on one event, without a daemon.
//!
//! ```
//! use confab_plugin::{testkit::Kit, Verdict};
//! # use confab_plugin::*;
//! # struct Nothing;
//! # #[derive(serde::Deserialize, schemars::JsonSchema)]
//! # struct Options {}
//! # impl Plugin for Nothing {}
//! # impl Definition for Nothing {
//! #     const NAME: &'static str = "nothing";
//! #     const SUMMARY: &'static str = "";
//! #     const MANUAL: &'static str = "";
//! #     const ON: &'static [EventKind] = &[EventKind::Message];
//! #     type Options = Options;
//! #     fn new(_: &str, _: Options) -> Result<Self, Vec<Problem>> { Ok(Nothing) }
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
//! let kit = Kit::<Nothing>::new(serde_json::json!({})).unwrap();
//! let run = kit.message("hello").await.unwrap();
//! assert_eq!(run.verdict, Verdict::Pass);
//! assert_eq!(run.content(), "hello");
//! # });
//! ```

use std::{
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

use crate::{
    Context, Decision, Definition, Event, HookError, Manifest, Message, Outcome, Plugin, Problem,
    SessionId, User, UserId, Verdict,
};

/// One plugin, built from its options as the daemon would build it.
pub struct Kit<P> {
    plugin: Box<dyn Plugin>,
    context: Context,
    of: PhantomData<P>,
}

/// What a `before` hook did.
#[derive(Debug)]
pub struct Run {
    /// The hook's answer.
    pub verdict: Verdict,
    /// The event as the hook left it.
    pub event: Event,
}

impl Run {
    /// The message's text as the hook left it; empty for other kinds of events.
    pub fn content(&self) -> &str {
        match &self.event {
            Event::Message(message) => message.content(),
            _ => "",
        }
    }

    /// The code of a refusal.
    pub fn code(&self) -> Option<&str> {
        match &self.verdict {
            Verdict::Deny { code, .. } => Some(code),
            _ => None,
        }
    }
}

impl<P: Definition> Kit<P> {
    /// Builds the plugin from `options`, a JSON object, for an entry named as the plugin.
    ///
    /// # Errors
    /// What the daemon would say of the options.
    pub fn new(options: serde_json::Value) -> Result<Self, Vec<Problem>> {
        let plugin = (Manifest::of::<P>().build)(P::NAME, options)?;
        Ok(Self { plugin, context: context(), of: PhantomData })
    }

    /// The plugin itself.
    pub fn plugin(&self) -> &dyn Plugin {
        &*self.plugin
    }

    /// The circumstances that hooks are shown; change them as the test needs.
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Runs `before` on a message with this text, from [`ann`] to [`bob`].
    ///
    /// # Errors
    /// The hook's own error.
    pub async fn message(&self, content: &str) -> Result<Run, HookError> {
        self.before(message(content)).await
    }

    /// Runs `before` on `event`.
    ///
    /// # Errors
    /// The hook's own error.
    pub async fn before(&self, mut event: Event) -> Result<Run, HookError> {
        let verdict = self.plugin.before(&self.context, &mut event).await?;
        Ok(Run { verdict, event })
    }

    /// Runs `after` on `event`, decided as `decision` after one millisecond.
    pub fn after(&self, event: &Event, decision: Decision) {
        let outcome = Outcome { decision, elapsed: Duration::from_millis(1) };
        self.plugin.after(&self.context, event, &outcome);
    }
}

/// The sender of the kit's messages: user id 1, name `ann`.
pub fn ann() -> UserId {
    UserId::from_u128(1)
}

/// The recipient of the kit's messages: user id 2.
pub fn bob() -> UserId {
    UserId::from_u128(2)
}

/// A message with this text, from [`ann`] to [`bob`].
pub fn message(content: &str) -> Event {
    Event::Message(Message::new(ann(), bob(), content, None))
}

/// The circumstances of the kit's events: [`ann`]'s session 7, from 127.0.0.1.
pub fn context() -> Context {
    let name = "ann".parse().unwrap_or_else(|_| unreachable!("a good name"));
    Context {
        user: Some(Arc::new(User { id: ann(), name })),
        session: Some(SessionId(7)),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        received: SystemTime::UNIX_EPOCH,
    }
}
