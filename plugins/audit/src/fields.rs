//! What a line says of an event: the inside of a JSON object.

use std::{
    borrow::Cow,
    fmt::Write as _,
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use confab_plugin::{Context, Decision, Event, Outcome, UserId};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::Options;

/// The most characters of a display name, a user agent, a message's id or a code.
const TEXT_LIMIT: usize = 256;

/// The fields of one line; those that have nothing to say are left out.
#[derive(Serialize)]
struct Fields<'a> {
    at: String,
    entry: &'a str,
    kind: &'static str,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    session: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_by: Option<&'a str>,
    #[serde(flatten)]
    own: Map<String, Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    changed_by: &'a [Arc<str>],
    generation: u64,
}

/// The fields of the line for `event`, written by the entry of this name.
pub fn of_event(
    options: &Options,
    entry: &str,
    cx: &Context,
    event: &Event,
    outcome: &Outcome,
) -> String {
    let mut fields = Fields {
        at: time(cx.received),
        entry,
        kind: event.kind().as_str(),
        decision: outcome.decision.as_str(),
        by: None,
        code: None,
        user: cx.user.as_ref().map(|user| user.name.as_str()),
        user_id: cx.user.as_ref().map(|user| user.id),
        session: cx.session.map(|session| session.to_string()),
        // An event of a plugin came over no connection.
        address: (options.address && cx.sent_by.is_none()).then_some(cx.address),
        sent_by: cx.sent_by.as_deref(),
        own: Map::new(),
        seq: None,
        duplicate: None,
        changed_by: &outcome.changed_by,
        generation: cx.generation,
    };
    match event {
        Event::Register(register) => fields.user = Some(register.username().as_str()),
        Event::Login(login) => fields.user = Some(login.username().as_str()),
        _ => {}
    }
    match &outcome.decision {
        Decision::Accepted { seq, duplicate } => {
            fields.seq = *seq;
            // Only a message can be a retry; elsewhere the field would be noise.
            fields.duplicate = duplicate.then_some(true);
        }
        Decision::Denied { by, code } => {
            fields.by = Some(by);
            fields.code = Some(cut(code));
        }
        Decision::Dropped { by } => fields.by = Some(by),
        Decision::Failed { code } => fields.code = Some(Cow::Borrowed(code)),
        _ => {}
    }
    describe(&mut fields.own, options, event);
    inside(&fields)
}

/// What only this kind of event has.
fn describe(own: &mut Map<String, Value>, options: &Options, event: &Event) {
    let mut put = |key: &str, value: Value| own.insert(key.to_owned(), value);
    let text = |text: &str| Value::from(cut(text));
    let peer = |id: UserId| Value::from(id.to_string());
    match event {
        Event::Register(register) => {
            if let Some(name) = register.display_name() {
                put("display_name", text(name));
            }
        }
        Event::Connect(connect) => {
            if let Some(agent) = connect.user_agent() {
                put("user_agent", text(agent));
            }
        }
        Event::Message(message) => {
            put("to", peer(message.to()));
            if let Some(id) = message.client_id() {
                put("id", text(id));
            }
            put("size", message.content().len().into());
            if options.content {
                put("content", message.content().into());
            }
        }
        Event::Typing(typing) => {
            put("to", peer(typing.to()));
            put("on", typing.on().into());
        }
        Event::Seen(seen) => {
            put("to", peer(seen.to()));
            if let Some(upto) = seen.upto() {
                put("upto", upto.into());
            }
        }
        Event::Disconnect(disconnect) => {
            put("reason", disconnect.reason().into());
        }
        _ => {}
    }
}

/// The fields of a line of the log about itself, such as a `gap`.
pub fn of_log(entry: &str, kind: &'static str, own: &[(&str, Value)]) -> String {
    let mut fields = Map::new();
    fields.insert("at".into(), time(SystemTime::now()).into());
    fields.insert("entry".into(), entry.into());
    fields.insert("kind".into(), kind.into());
    fields.extend(own.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    inside(&fields)
}

/// The first characters of a text that somebody else chose.
fn cut(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(TEXT_LIMIT).and_then(|(end, _)| text.get(..end)) {
        Some(kept) => Cow::Owned(format!("{kept}…")),
        None => Cow::Borrowed(text),
    }
}

/// RFC 3339 in UTC, with milliseconds.
fn time(at: SystemTime) -> String {
    // What the calendar of RFC 3339 holds: 1970 to 9999. A clock outside of it is wrong anyway.
    const LAST: Duration = Duration::from_secs(253_402_300_799);
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_millis(UNIX_EPOCH + since).to_string()
}

/// The JSON of an object without its braces, safe to look at: control characters and those that
/// hide or reorder text are written as escapes, which JSON reads as the same text.
fn inside(fields: &impl Serialize) -> String {
    // Strings for keys, and no failing serializer: this never fails.
    let json = serde_json::to_string(fields).unwrap_or_default();
    let inside = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
    if !inside.contains(must_escape) {
        return inside.to_owned();
    }
    let mut safe = String::with_capacity(inside.len() + 16);
    for c in inside.chars() {
        if must_escape(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String never fails.
                let _ = write!(safe, "\\u{unit:04x}");
            }
        } else {
            safe.push(c);
        }
    }
    safe
}

/// The controls that JSON lets through, line and paragraph separators, and the format
/// characters: bidi controls, zero-width characters, tags.
fn must_escape(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}'
            | '\u{61c}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{feff}'
            | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn times_never_panic() {
        assert_eq!(time(UNIX_EPOCH + Duration::from_millis(1500)), "1970-01-01T00:00:01.500Z");
        assert_eq!(time(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000Z");
        let far = UNIX_EPOCH + Duration::from_secs(1 << 50);
        assert_eq!(time(far), "9999-12-31T23:59:59.000Z");
    }

    proptest! {
        #[test]
        fn texts_are_safe_to_look_at_and_read_as_they_were(text: String) {
            let fields = of_log("audit", "x", &[("text", text.clone().into())]);
            prop_assert!(!fields.contains(must_escape));
            let read: Value = serde_json::from_str(&format!("{{{fields}}}")).unwrap();
            prop_assert_eq!(read["text"].as_str(), Some(&*text));
        }
    }
}
