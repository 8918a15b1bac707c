//! What happens in the daemon, as plugins see it.

use std::{fmt, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{UserId, Username};

/// The kinds of events that pass the chain.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// Somebody asks for a new account.
    Register,
    /// Somebody asks for a token with a name and a password.
    Login,
    /// A device opens a session.
    Connect,
    /// A message is sent.
    Message,
    /// Somebody starts or stops typing.
    Typing,
    /// Somebody has read messages.
    Seen,
    /// A session has ended. A refusal has no effect.
    Disconnect,
}

impl EventKind {
    /// Every kind, in the order of a session's life.
    pub const ALL: [EventKind; 7] = [
        EventKind::Register,
        EventKind::Login,
        EventKind::Connect,
        EventKind::Message,
        EventKind::Typing,
        EventKind::Seen,
        EventKind::Disconnect,
    ];

    /// The name used in configuration, metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Register => "register",
            EventKind::Login => "login",
            EventKind::Connect => "connect",
            EventKind::Message => "message",
            EventKind::Typing => "typing",
            EventKind::Seen => "seen",
            EventKind::Disconnect => "disconnect",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One event on its way. Cloning is cheap: texts are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// See [`EventKind::Register`].
    Register(Register),
    /// See [`EventKind::Login`].
    Login(Login),
    /// See [`EventKind::Connect`].
    Connect(Connect),
    /// See [`EventKind::Message`].
    Message(Message),
    /// See [`EventKind::Typing`].
    Typing(Typing),
    /// See [`EventKind::Seen`].
    Seen(Seen),
    /// See [`EventKind::Disconnect`].
    Disconnect(Disconnect),
}

impl Event {
    /// The kind of this event.
    pub const fn kind(&self) -> EventKind {
        match self {
            Event::Register(_) => EventKind::Register,
            Event::Login(_) => EventKind::Login,
            Event::Connect(_) => EventKind::Connect,
            Event::Message(_) => EventKind::Message,
            Event::Typing(_) => EventKind::Typing,
            Event::Seen(_) => EventKind::Seen,
            Event::Disconnect(_) => EventKind::Disconnect,
        }
    }
}

/// A request for an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Register {
    username: Username,
    display_name: Option<Arc<str>>,
}

impl Register {
    /// A request for `username`.
    pub fn new(username: Username, display_name: Option<Arc<str>>) -> Self {
        Self { username, display_name }
    }

    /// The wanted login name.
    pub fn username(&self) -> &Username {
        &self.username
    }

    /// The name to show, if one was given.
    pub fn display_name(&self) -> Option<&str> {
        self.display_name.as_deref()
    }

    /// Changes the name to show. The host checks it again after the chain.
    pub fn set_display_name(&mut self, name: Option<impl Into<Arc<str>>>) {
        self.display_name = name.map(Into::into);
    }
}

/// An attempt to log in. The password is never shown to a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    username: Username,
}

impl Login {
    /// An attempt as `username`.
    pub fn new(username: Username) -> Self {
        Self { username }
    }

    /// The login name that was tried; no such account need exist.
    pub fn username(&self) -> &Username {
        &self.username
    }
}

/// A session that wants to open. [`Context::user`](crate::Context::user) says whose it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Connect {
    user_agent: Option<Arc<str>>,
}

impl Connect {
    /// A session of a client that calls itself `user_agent`.
    pub fn new(user_agent: Option<Arc<str>>) -> Self {
        Self { user_agent }
    }

    /// What the client calls itself: untrusted text.
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

/// A message on its way to one recipient.
#[derive(Clone, Debug, Eq)]
pub struct Message {
    from: UserId,
    to: UserId,
    content: Arc<str>,
    client_id: Option<Arc<str>>,
}

/// Texts that are shared are not compared letter by letter: the chain compares after every hook.
impl PartialEq for Message {
    fn eq(&self, other: &Self) -> bool {
        let same = |a: &Arc<str>, b: &Arc<str>| Arc::ptr_eq(a, b) || a == b;
        let same_id = match (&self.client_id, &other.client_id) {
            (Some(a), Some(b)) => same(a, b),
            (a, b) => a.is_none() && b.is_none(),
        };
        self.from == other.from
            && self.to == other.to
            && same(&self.content, &other.content)
            && same_id
    }
}

impl Message {
    /// A message as its sender sent it.
    pub fn new(
        from: UserId,
        to: UserId,
        content: impl Into<Arc<str>>,
        client_id: Option<Arc<str>>,
    ) -> Self {
        Self { from, to, content: content.into(), client_id }
    }

    /// The sender.
    pub fn from(&self) -> UserId {
        self.from
    }

    /// The recipient.
    pub fn to(&self) -> UserId {
        self.to
    }

    /// The text, with the changes of the hooks that ran before.
    pub fn content(&self) -> &str {
        &self.content
    }

    /// The text, shared.
    pub fn shared_content(&self) -> Arc<str> {
        Arc::clone(&self.content)
    }

    /// Replaces the text. The host refuses an empty or oversized result.
    pub fn set_content(&mut self, content: impl Into<Arc<str>>) {
        self.content = content.into();
    }

    /// The client's own id, by which a retry is known.
    pub fn client_id(&self) -> Option<&str> {
        self.client_id.as_deref()
    }
}

/// Somebody starts or stops typing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Typing {
    from: UserId,
    to: UserId,
    on: bool,
}

impl Typing {
    /// `from` types (or no longer types) to `to`.
    pub fn new(from: UserId, to: UserId, on: bool) -> Self {
        Self { from, to, on }
    }

    /// Who types.
    pub fn from(&self) -> UserId {
        self.from
    }

    /// To whom.
    pub fn to(&self) -> UserId {
        self.to
    }

    /// Whether typing began (`true`) or ended.
    pub fn on(&self) -> bool {
        self.on
    }
}

/// Somebody has read messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    from: UserId,
    to: UserId,
    upto: Option<u64>,
}

impl Seen {
    /// `from` has read what `to` wrote, up to the message `upto`, or all of it.
    pub fn new(from: UserId, to: UserId, upto: Option<u64>) -> Self {
        Self { from, to, upto }
    }

    /// The reader.
    pub fn from(&self) -> UserId {
        self.from
    }

    /// Whose messages were read.
    pub fn to(&self) -> UserId {
        self.to
    }

    /// The last message read; `None` for the newest.
    pub fn upto(&self) -> Option<u64> {
        self.upto
    }
}

/// A session that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Disconnect {
    reason: &'static str,
}

impl Disconnect {
    /// A session that ended for `reason`, one of a small fixed set of words.
    pub fn new(reason: &'static str) -> Self {
        Self { reason }
    }

    /// Why it ended, as in the metric `confab_websocket_closed_total`.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}
