//! The API that confab's plugins are written against: all that a plugin may see.
//!
//! A plugin is one crate. It defines its options, implements [`Plugin`] (the hooks) and
//! [`Definition`] (its name, its manual, how it is built), and is compiled into the daemon by
//! one dependency line and one registry line.
//!
//! ```
//! use confab_plugin::{
//!     Context, Definition, Event, EventKind, HookError, Plugin, Problem, Verdict, async_trait,
//! };
//!
//! /// Refuses messages that shout.
//! struct Quiet {
//!     max_capitals: usize,
//! }
//!
//! #[derive(serde::Deserialize, schemars::JsonSchema)]
//! #[serde(deny_unknown_fields)]
//! struct Options {
//!     /// Messages with more capitals than this are refused.
//!     max_capitals: usize,
//! }
//!
//! #[async_trait]
//! impl Plugin for Quiet {
//!     async fn before(&self, _cx: &Context, event: &mut Event) -> Result<Verdict, HookError> {
//!         let Event::Message(message) = event else { return Ok(Verdict::Pass) };
//!         let capitals = message.content().chars().filter(|c| c.is_uppercase()).count();
//!         if capitals > self.max_capitals {
//!             return Ok(Verdict::deny("too_loud", "Please do not shout."));
//!         }
//!         Ok(Verdict::Pass)
//!     }
//! }
//!
//! impl Definition for Quiet {
//!     const NAME: &'static str = "quiet";
//!     const SUMMARY: &'static str = "refuses messages that shout";
//!     const MANUAL: &'static str = "# quiet\n";
//!     const ON: &'static [EventKind] = &[EventKind::Message];
//!     type Options = Options;
//!
//!     fn new(_entry: &str, options: Options) -> Result<Self, Vec<Problem>> {
//!         Ok(Quiet { max_capitals: options.max_capitals })
//!     }
//! }
//! ```
//!
//! The crate's `testkit` feature runs one hook on one event without a daemon.
#![warn(missing_docs)]

/// The examples of the README, as tests.
#[cfg(all(doctest, feature = "testkit"))]
#[doc = include_str!("../README.md")]
struct Readme;

mod context;
mod definition;
mod event;
pub mod host;
mod ids;
mod plugin;
mod problem;
#[cfg(feature = "testkit")]
pub mod testkit;
pub mod text;
mod units;

pub use async_trait::async_trait;

pub use context::{Context, User};
pub use definition::{BuildFn, Command, Definition, Manifest, Place};
pub use event::{Connect, Disconnect, Event, EventKind, Login, Message, Register, Seen, Typing};
pub use host::{Background, Bot, Host, Job, JobError, JobOrder, QueueFull, SendError};
pub use ids::{InvalidUserId, InvalidUsername, SessionId, UserId, Username};
pub use plugin::{Decision, HookError, Outcome, Plugin, Verdict};
pub use problem::{Problem, Segment};
pub use units::{ByteSize, Duration, InvalidByteSize, InvalidDuration};
