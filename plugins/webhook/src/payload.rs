//! The body of a request: one JSON shape for every kind of event.

use std::{net::IpAddr, time::SystemTime};

use confab_plugin::{Context, Decision, Event, Outcome, UserId, Username};
use serde::Serialize;
use time::{OffsetDateTime, format_description::FormatItem, macros::format_description};

const RFC3339_MILLIS: &[FormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// What of an event is sent.
#[derive(Clone, Copy, Debug)]
pub struct Parts {
    /// The text of messages.
    pub content: bool,
    /// The client's address.
    pub address: bool,
}

/// The body for the request `id` of the entry named `entry`: about an event that waits for an
/// answer, or one that ended as `outcome`.
///
/// # Errors
/// Never in practice: everything in it has a JSON form.
pub fn body(
    id: &str,
    entry: &str,
    parts: Parts,
    (cx, event): (&Context, &Event),
    outcome: Option<&Outcome>,
) -> serde_json::Result<Vec<u8>> {
    let seq = outcome.and_then(|outcome| match outcome.decision {
        Decision::Accepted { seq, .. } => seq,
        _ => None,
    });
    serde_json::to_vec(&Body {
        id,
        entry,
        kind: event.kind().as_str(),
        at: rfc3339(cx.received),
        user: cx.user.as_deref().map(|user| User { id: user.id, name: &user.name }),
        session: cx.session.map(|session| session.to_string()),
        address: Some(cx.address).filter(|a| parts.address && *a != Context::NOWHERE),
        sent_by: cx.sent_by.as_deref(),
        details: details(event, seq, parts),
        outcome: outcome.map(Ended::from),
    })
}

#[derive(Serialize)]
struct Body<'a> {
    id: &'a str,
    entry: &'a str,
    kind: &'static str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<User<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_by: Option<&'a str>,
    /// Under the name of the kind.
    #[serde(flatten)]
    details: Option<Details<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<Ended<'a>>,
}

#[derive(Serialize)]
struct User<'a> {
    id: UserId,
    name: &'a Username,
}

#[derive(Serialize)]
#[serde(rename_all = "lowercase")]
enum Details<'a> {
    Register {
        username: &'a Username,
        #[serde(skip_serializing_if = "Option::is_none")]
        display_name: Option<&'a str>,
    },
    Login {
        username: &'a Username,
    },
    Connect {
        #[serde(skip_serializing_if = "Option::is_none")]
        user_agent: Option<&'a str>,
    },
    Message {
        from: UserId,
        to: UserId,
        #[serde(skip_serializing_if = "Option::is_none")]
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        client_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        seq: Option<u64>,
    },
    Typing {
        from: UserId,
        to: UserId,
        on: bool,
    },
    Seen {
        from: UserId,
        to: UserId,
        #[serde(skip_serializing_if = "Option::is_none")]
        upto: Option<u64>,
    },
    Disconnect {
        reason: &'static str,
    },
}

/// `None` for kinds that are not known yet: they have only what all events have.
fn details(event: &Event, seq: Option<u64>, parts: Parts) -> Option<Details<'_>> {
    Some(match event {
        Event::Register(register) => Details::Register {
            username: register.username(),
            display_name: register.display_name(),
        },
        Event::Login(login) => Details::Login { username: login.username() },
        Event::Connect(connect) => Details::Connect { user_agent: connect.user_agent() },
        Event::Message(message) => Details::Message {
            from: message.from(),
            to: message.to(),
            content: Some(message.content()).filter(|_| parts.content),
            client_id: message.client_id(),
            seq,
        },
        Event::Typing(typing) => {
            Details::Typing { from: typing.from(), to: typing.to(), on: typing.on() }
        }
        // Once it is decided, what "the newest" was is known.
        Event::Seen(seen) => {
            Details::Seen { from: seen.from(), to: seen.to(), upto: seq.or(seen.upto()) }
        }
        Event::Disconnect(disconnect) => Details::Disconnect { reason: disconnect.reason() },
        _ => return None,
    })
}

#[derive(Serialize)]
struct Ended<'a> {
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'a str>,
    changed_by: Vec<&'a str>,
}

impl<'a> From<&'a Outcome> for Ended<'a> {
    fn from(outcome: &'a Outcome) -> Self {
        let (by, code) = match &outcome.decision {
            Decision::Denied { by, code } => (Some(&**by), Some(&**code)),
            Decision::Dropped { by } => (Some(&**by), None),
            Decision::Failed { code } => (None, Some(*code)),
            _ => (None, None),
        };
        let changed_by = outcome.changed_by.iter().map(|entry| &**entry).collect();
        Self { decision: outcome.decision.as_str(), by, code, changed_by }
    }
}

fn rfc3339(at: SystemTime) -> String {
    // A year that RFC 3339 can't write is no clock's.
    OffsetDateTime::from(at).format(RFC3339_MILLIS).unwrap_or_default()
}
