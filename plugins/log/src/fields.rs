//! What a line says of an event.

use std::{borrow::Cow, net::IpAddr};

use confab_plugin::{Context, Decision, Event, Outcome, SessionId, UserId};

use crate::{Options, escape::escape};

/// The most characters of a display name, a user agent or a code.
const TEXT_LIMIT: usize = 256;

/// The fields of one line; those that are `None` are left out. Texts are escaped.
#[derive(Debug, Default)]
pub struct Fields<'a> {
    pub kind: &'static str,
    pub decision: &'static str,
    pub user: Option<Cow<'a, str>>,
    pub user_id: Option<String>,
    pub to: Option<String>,
    pub session: Option<SessionId>,
    pub address: Option<IpAddr>,
    pub sent_by: Option<&'a str>,
    pub changed_by: Option<String>,
    pub generation: u64,
    pub seq: Option<u64>,
    pub upto: Option<u64>,
    pub on: Option<bool>,
    pub duplicate: Option<bool>,
    pub by: Option<&'a str>,
    pub code: Option<Cow<'a, str>>,
    pub reason: Option<&'static str>,
    pub size: Option<usize>,
    pub elapsed_ms: f64,
    pub id: Option<Cow<'a, str>>,
    pub display_name: Option<Cow<'a, str>>,
    pub user_agent: Option<Cow<'a, str>>,
    pub content: Option<Cow<'a, str>>,
}

impl<'a> Fields<'a> {
    /// The fields of `event`.
    pub fn new(options: &Options, cx: &'a Context, event: &'a Event, outcome: &'a Outcome) -> Self {
        let mut line = Self {
            kind: event.kind().as_str(),
            decision: outcome.decision.as_str(),
            user: cx.user.as_ref().map(|user| Cow::Borrowed(user.name.as_str())),
            user_id: cx.user.as_ref().map(|user| user.id.to_string()),
            session: cx.session,
            // An event of a plugin came over no connection.
            address: (options.address && cx.sent_by.is_none()).then_some(cx.address),
            sent_by: cx.sent_by.as_deref(),
            changed_by: (!outcome.changed_by.is_empty()).then(|| outcome.changed_by.join(",")),
            generation: cx.generation,
            // To the microsecond; more digits say nothing.
            elapsed_ms: (outcome.elapsed.as_secs_f64() * 1e6).round() / 1e3,
            ..Self::default()
        };
        line.decided(&outcome.decision);
        line.describe(options, event);
        line
    }

    fn decided(&mut self, decision: &'a Decision) {
        match decision {
            Decision::Accepted { seq, duplicate } => {
                self.seq = *seq;
                // Only a message can be a retry; elsewhere the field would be noise.
                self.duplicate = duplicate.then_some(true);
            }
            Decision::Denied { by, code } => {
                self.by = Some(by);
                self.code = Some(escape(code, TEXT_LIMIT));
            }
            Decision::Dropped { by } => self.by = Some(by),
            Decision::Failed { code } => self.code = Some(Cow::Borrowed(code)),
            _ => {}
        }
    }

    fn describe(&mut self, options: &Options, event: &'a Event) {
        let peer = |id: UserId| Some(id.to_string());
        let text = |text: Option<&'a str>| text.map(|text| escape(text, TEXT_LIMIT));
        match event {
            Event::Register(register) => {
                self.user = Some(register.username().as_str().into());
                self.display_name = text(register.display_name());
            }
            Event::Login(login) => self.user = Some(login.username().as_str().into()),
            Event::Connect(connect) => self.user_agent = text(connect.user_agent()),
            Event::Message(message) => {
                self.to = peer(message.to());
                self.id = text(message.client_id());
                self.size = Some(message.content().len());
                self.content =
                    options.content.then(|| escape(message.content(), options.content_limit));
            }
            Event::Typing(typing) => {
                self.to = peer(typing.to());
                self.on = Some(typing.on());
            }
            Event::Seen(seen) => {
                self.to = peer(seen.to());
                self.upto = seen.upto();
            }
            Event::Disconnect(disconnect) => self.reason = Some(disconnect.reason()),
            _ => {}
        }
    }
}
