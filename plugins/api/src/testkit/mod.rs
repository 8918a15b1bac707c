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

mod host;
mod manual;

use std::{
    marker::PhantomData,
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, SystemTime},
};

pub use self::{host::Sent, manual::manual_faults};
use crate::{
    Connect, Context, Decision, Definition, Disconnect, Event, HookError, Host, JobError, Login,
    Manifest, Message, Outcome, Plugin, Problem, Register, Seen, SessionId, Typing, User, UserId,
    Username, Verdict,
};
use host::KitServices;

/// One plugin, built from its options as the daemon would build it.
pub struct Kit<P> {
    plugin: Arc<dyn Plugin>,
    context: Context,
    host: Arc<KitServices>,
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

    /// When the client is told to try again.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.verdict {
            Verdict::Deny { retry_after, .. } => retry_after,
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
        Ok(Self { plugin, context: context(), host: Arc::default(), of: PhantomData })
    }

    /// Starts the plugin, as the daemon does before the first event.
    ///
    /// # Errors
    /// The plugin's own error.
    pub async fn start(&self) -> Result<(), HookError> {
        self.plugin.start(&Host::new(P::NAME.into(), Arc::clone(&self.host) as _)).await
    }

    /// Starts the plugin as `confab test` and `confab explain` do.
    ///
    /// # Errors
    /// The plugin's own error.
    pub async fn rehearse(&self) -> Result<(), HookError> {
        let host = Host::new(P::NAME.into(), Arc::clone(&self.host) as _);
        self.plugin.start(&host.rehearsing()).await
    }

    /// Stops the plugin, as the daemon does after the last event and the last job.
    pub async fn stop(&self) {
        self.plugin.stop().await;
    }

    /// How many jobs the plugin has handed over and that have not run.
    pub fn jobs(&self) -> usize {
        self.host.jobs()
    }

    /// Runs the first of the jobs that wait, once, as attempt number `attempt`; `None` if none
    /// waits. A job that asks for another attempt waits again, in front.
    pub async fn run_job(&self, attempt: u32) -> Option<Result<(), JobError>> {
        self.host.run_job(attempt).await
    }

    /// From here on the queue takes no more jobs, as when it is full.
    pub fn fill_queue(&self) {
        self.host.fill();
    }

    /// What the plugin's bots have sent since the last call.
    pub fn sent(&self) -> Vec<Sent> {
        self.host.take_sent()
    }

    /// The plugin itself.
    pub fn plugin(&self) -> &dyn Plugin {
        &*self.plugin
    }

    /// The circumstances that hooks are shown; change them as the test needs, and let time pass
    /// with [`wait`](Self::wait).
    pub fn context_mut(&mut self) -> &mut Context {
        &mut self.context
    }

    /// Moves the clocks that hooks are shown.
    pub fn wait(&mut self, time: Duration) {
        self.context.received += time;
        self.context.arrived += time;
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
    /// The hook's own error; or one that says that the hook did something about a kind of event
    /// that it says it does not judge ([`Plugin::judges`]): the daemon would not have run it.
    pub async fn before(&self, mut event: Event) -> Result<Run, HookError> {
        let (found, judges) = (event.clone(), self.plugin.judges(event.kind()));
        let verdict = self.plugin.before(&self.context, &mut event).await?;
        if !judges && (verdict != Verdict::Pass || event != found) {
            let kind = found.kind();
            return Err(HookError::new(format!("it judges {kind}, and `judges` says it does not")));
        }
        Ok(Run { verdict, event })
    }

    /// Runs `after` on `event`, decided as `decision` after one millisecond.
    pub fn after(&self, event: &Event, decision: Decision) {
        self.outcome(event, &Outcome::new(decision, Duration::from_millis(1)));
    }

    /// Runs `after` on `event` with this outcome.
    pub fn outcome(&self, event: &Event, outcome: &Outcome) {
        self.plugin.after(&self.context, event, outcome);
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

/// The account of every bot in the kit: user id 100.
pub fn bot_id() -> UserId {
    UserId::from_u128(100)
}

/// A message with this text, from [`ann`] to [`bob`].
pub fn message(content: &str) -> Event {
    Event::Message(Message::new(ann(), bob(), content, None))
}

/// A request for an account named `username`, shown as `display_name`; `None` if the username is
/// not a permitted one.
pub fn register(username: &str, display_name: Option<&str>) -> Option<Event> {
    let username = username.parse().ok()?;
    Some(Event::Register(Register::new(username, display_name.map(Arc::from))))
}

/// One event of each kind, in the order of [`EventKind::ALL`](crate::EventKind::ALL).
pub fn events() -> [Event; 7] {
    [
        Event::Register(Register::new(ann_name(), Some("Ann".into()))),
        Event::Login(Login::new(ann_name())),
        Event::Connect(Connect::new(Some("testkit/1".into()))),
        message("hello"),
        Event::Typing(Typing::new(ann(), bob(), true)),
        Event::Seen(Seen::new(ann(), bob(), Some(3))),
        Event::Disconnect(Disconnect::new("client")),
    ]
}

/// One decision of each sort: accepted with `seq` 3, denied and dropped by the entry `guard`,
/// failed as `unavailable`.
pub fn decisions() -> [Decision; 4] {
    [
        Decision::Accepted { seq: Some(3), duplicate: false },
        Decision::Denied { by: "guard".into(), code: "refused".into() },
        Decision::Dropped { by: "guard".into() },
        Decision::Failed { code: "unavailable" },
    ]
}

fn ann_name() -> Username {
    "ann".parse().unwrap_or_else(|_| unreachable!("a good name"))
}

/// The circumstances of the kit's events: [`ann`]'s session 7, from 127.0.0.1, in 1970.
pub fn context() -> Context {
    let ann = Arc::new(User { id: ann(), name: ann_name() });
    let mut context = Context::new(Some(ann), Some(SessionId(7)), IpAddr::V4(Ipv4Addr::LOCALHOST));
    context.received = SystemTime::UNIX_EPOCH;
    context.generation = 1;
    context
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventKind, async_trait};

    /// Says that it does nothing before an event, and refuses some.
    struct Liar;

    #[async_trait]
    impl Plugin for Liar {
        async fn before(&self, _: &Context, event: &mut Event) -> Result<Verdict, HookError> {
            let Event::Message(message) = event else { return Ok(Verdict::Pass) };
            match message.content() {
                "refuse" => return Ok(Verdict::Drop),
                "change" => message.set_content("changed"),
                _ => {}
            }
            Ok(Verdict::Pass)
        }

        fn judges(&self, _: EventKind) -> bool {
            false
        }
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    struct Options {}

    impl Definition for Liar {
        const NAME: &'static str = "liar";
        const SUMMARY: &'static str = "";
        const MANUAL: &'static str = "";
        const ON: &'static [EventKind] = &[EventKind::Message];
        type Options = Options;

        fn new(_: &str, _: Options) -> Result<Self, Vec<Problem>> {
            Ok(Liar)
        }
    }

    #[tokio::test]
    async fn a_hook_that_says_it_judges_nothing_is_found_out() {
        let kit = Kit::<Liar>::new(serde_json::json!({})).unwrap();
        assert_eq!(kit.message("hello").await.unwrap().verdict, Verdict::Pass);
        for text in ["refuse", "change"] {
            let error = kit.message(text).await.unwrap_err().to_string();
            assert_eq!(error, "it judges message, and `judges` says it does not");
        }
    }

    #[test]
    fn the_samples_cover_every_kind_and_decision() {
        assert_eq!(events().map(|event| event.kind()), EventKind::ALL);
        let words = decisions().map(|decision| decision.as_str());
        assert_eq!(words, Decision::WORDS);
    }
}
