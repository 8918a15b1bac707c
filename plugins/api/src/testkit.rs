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
    Connect, Context, Decision, Definition, Disconnect, Event, HookError, Login, Manifest, Message,
    Outcome, Plugin, Problem, Register, Seen, SessionId, Typing, User, UserId, Username, Verdict,
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

/// What is wrong with the manual of `P`; empty if nothing is. A manual has the sections NAME,
/// SYNOPSIS, DESCRIPTION, OPTIONS and EXAMPLES, names every option in backquotes, and every
/// `toml` block in it can be read; each `[[plugins]]` entry of `P` in a block can be built, and
/// there is at least one.
pub fn manual_faults<P: Definition>() -> Vec<String> {
    let manifest = Manifest::of::<P>();
    let mut faults = Vec::new();
    for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXAMPLES"] {
        if !manifest
            .manual
            .lines()
            .any(|line| line.trim_start_matches('#').trim() == section && line.starts_with('#'))
        {
            faults.push(format!("no section {section}"));
        }
    }
    let schema = (manifest.schema)();
    let options = schema.get("properties").and_then(|p| p.as_object());
    for option in options.into_iter().flat_map(|o| o.keys()) {
        if !manifest.manual.contains(&format!("`{option}`")) {
            faults.push(format!("option `{option}` is not described"));
        }
    }
    let mut built = 0;
    for block in toml_blocks(manifest.manual) {
        match block.parse::<toml::Table>() {
            Ok(table) => built += build_entries(&manifest, &table, &mut faults),
            Err(error) => faults.push(format!("an example is not TOML: {error}")),
        }
    }
    if built == 0 {
        faults.push("no example of a [[plugins]] entry that can be built".into());
    }
    faults
}

fn toml_blocks(manual: &str) -> impl Iterator<Item = &str> {
    manual.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap_or(rest))
}

fn build_entries(manifest: &Manifest, table: &toml::Table, faults: &mut Vec<String>) -> usize {
    let entries = table.get("plugins").and_then(|p| p.as_array());
    let mut built = 0;
    for entry in entries.into_iter().flatten() {
        if entry.get("use").and_then(|u| u.as_str()) != Some(manifest.name) {
            continue;
        }
        let options = match entry.get("options") {
            Some(options) => serde_json::to_value(options).unwrap_or_default(),
            None => serde_json::json!({}),
        };
        match (manifest.build)(manifest.name, options) {
            Ok(_) => built += 1,
            Err(problems) => faults.extend(
                problems.iter().map(|problem| format!("an example cannot be built: {problem}")),
            ),
        }
    }
    built
}

fn ann_name() -> Username {
    "ann".parse().unwrap_or_else(|_| unreachable!("a good name"))
}

/// The circumstances of the kit's events: [`ann`]'s session 7, from 127.0.0.1.
pub fn context() -> Context {
    Context {
        user: Some(Arc::new(User { id: ann(), name: ann_name() })),
        session: Some(SessionId(7)),
        address: IpAddr::V4(Ipv4Addr::LOCALHOST),
        received: SystemTime::UNIX_EPOCH,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::EventKind;

    macro_rules! plugin {
        ($name:ident, $manual:literal) => {
            struct $name;
            impl Plugin for $name {}
            impl Definition for $name {
                const NAME: &'static str = "sample";
                const SUMMARY: &'static str = "a sample";
                const MANUAL: &'static str = $manual;
                const ON: &'static [EventKind] = &[EventKind::Message];
                type Options = Options;

                fn new(_: &str, _: Options) -> Result<Self, Vec<Problem>> {
                    Ok($name)
                }
            }
        };
    }

    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(deny_unknown_fields)]
    struct Options {
        #[serde(default)]
        #[allow(dead_code)]
        limit: u8,
    }

    plugin!(
        Good,
        "## NAME\n## SYNOPSIS\n```toml\n[[plugins]]\nuse = \"sample\"\n[plugins.options]\nlimit = 1\n\
         ```\n## DESCRIPTION\n## OPTIONS\n`limit`\n## EXAMPLES\n"
    );
    plugin!(
        Bad,
        "## NAME\n## SYNOPSIS\n## OPTIONS\nlimit\n## EXAMPLES\n```toml\n[[plugins]]\nuse = \"sample\"\n\
         [plugins.options]\nlimits = 1\n```\n```toml\n= 1\n```\n"
    );

    #[test]
    fn a_manual_is_checked() {
        assert_eq!(manual_faults::<Good>(), Vec::<String>::new());
        let faults = manual_faults::<Bad>().join("\n");
        for fault in [
            "no section DESCRIPTION",
            "option `limit` is not described",
            "unknown field `limits`",
            "not TOML",
            "no example of a [[plugins]] entry",
        ] {
            assert!(faults.contains(fault), "{fault} is missing from: {faults}");
        }
    }

    #[test]
    fn the_samples_cover_every_kind_and_decision() {
        assert_eq!(events().map(|event| event.kind()), EventKind::ALL);
        let words = decisions().map(|decision| decision.as_str());
        assert_eq!(words, Decision::WORDS);
    }
}
