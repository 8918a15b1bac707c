//! The event that is to be explained: a client's frame, or what a client asks for over HTTP.

use std::{
    fs::File,
    io::{self, Read},
};

use confab_plugin::{EventKind, UserId};
use serde::Deserialize;

use crate::{
    cli::stage::Written,
    code::{Code, Refusal},
    wire::ClientFrame,
};

/// The largest file that is read: 1 MiB.
const MAX_FILE: u64 = 1024 * 1024;

/// What the argument stands for.
pub enum Given {
    /// An event.
    Event(Box<Written>),
    /// A frame that the daemon refuses unread, and its own id.
    Refused(Refusal, Option<String>),
}

/// The text of the argument: of standard input for `-`, of a file for `@FILE`, else itself.
///
/// # Errors
/// What can't be read.
pub fn read(argument: &str) -> Result<String, String> {
    let bounded = |from: &mut dyn Read| {
        let mut text = String::new();
        from.take(MAX_FILE + 1).read_to_string(&mut text)?;
        if text.len() as u64 > MAX_FILE {
            let message = format!("it is larger than {} KiB", MAX_FILE / 1024);
            return Err(io::Error::other(message));
        }
        Ok(text)
    };
    match argument.strip_prefix('@') {
        _ if argument == "-" => {
            bounded(&mut io::stdin().lock()).map_err(|e| format!("cannot read standard input: {e}"))
        }
        Some(file) => File::open(file)
            .and_then(|mut open| bounded(&mut open))
            .map_err(|error| format!("cannot read {file}: {error}")),
        None => Ok(argument.to_owned()),
    }
}

/// Reads an event. Frames are read as the daemon reads them.
///
/// # Errors
/// Why it is none.
pub fn parse(text: &str) -> Result<Given, String> {
    /// All but the kind is ignored.
    #[derive(Deserialize)]
    struct Named {
        event: Option<String>,
    }
    let named: Named = serde_json::from_str(text).map_err(|error| {
        format!("the event is not a JSON object such as {{\"event\":\"connect\"}}: {error}")
    })?;
    match named.event.as_deref() {
        Some("register" | "login" | "connect" | "disconnect") => {
            let call: Call = serde_json::from_str(text).map_err(|error| {
                format!("not what confab explain takes of this kind of event: {error}")
            })?;
            Ok(Given::Event(Box::new(call.written())))
        }
        None if text.contains("\"kind\"") => {
            Err("the kind of an event stands in \"event\" here, as clients send it".into())
        }
        Some("sync") => Err("a sync asks for messages that were stored: it passes no chain".into()),
        _ => Ok(frame(text)),
    }
}

fn frame(text: &str) -> Given {
    let refused = |refusal, id| Given::Refused(refusal, id);
    let (kind, to) = match ClientFrame::parse(text) {
        Err(error) => return refused(error.refusal, error.id),
        Ok(ClientFrame::Message { to, content, id }) => {
            let mut written = Written::of(EventKind::Message);
            written.content = Some(content.into_owned());
            written.id = id.map(std::borrow::Cow::into_owned);
            (written, to)
        }
        Ok(ClientFrame::Typing { to, on }) => {
            let mut written = Written::of(EventKind::Typing);
            written.on = Some(on);
            (written, to)
        }
        Ok(ClientFrame::Seen { to, upto }) => {
            let mut written = Written::of(EventKind::Seen);
            written.upto = upto;
            (written, to)
        }
        Ok(ClientFrame::Sync { .. }) => (Written::of(EventKind::Typing), "".into()),
    };
    let mut written = kind;
    // Everybody named like a user exists here; the daemon asks its store.
    let names_somebody = match to.strip_prefix('@') {
        Some(name) => name.parse::<confab_plugin::Username>().is_ok(),
        None => to.parse::<UserId>().is_ok(),
    };
    if !names_somebody {
        let message = "There is no such user: write @username or a user id.";
        return refused(Refusal::new(Code::UnknownUser, message), written.id);
    }
    written.to = Some(to.into_owned());
    Given::Event(Box::new(written))
}

/// What is asked for over HTTP, and the end of a session.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    event: EventKind,
    username: Option<String>,
    display_name: Option<String>,
    user_agent: Option<String>,
    reason: Option<String>,
}

impl Call {
    fn written(self) -> Written {
        let Self { event, username, display_name, user_agent, reason } = self;
        Written { username, display_name, user_agent, reason, ..Written::of(event) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Written {
        match parse(text).unwrap() {
            Given::Event(written) => *written,
            Given::Refused(refusal, _) => panic!("refused: {refusal:?}"),
        }
    }

    fn code(text: &str) -> String {
        match parse(text).unwrap() {
            Given::Event(written) => panic!("{written:?}"),
            Given::Refused(refusal, _) => refusal.code.into_owned(),
        }
    }

    #[test]
    fn frames_and_calls_are_events() {
        let message = event(r#"{"event":"message","to":"@bob","content":"hi","id":"m1"}"#);
        assert_eq!(message.kind, EventKind::Message);
        assert_eq!((message.to.as_deref(), message.id.as_deref()), (Some("@bob"), Some("m1")));
        assert_eq!(event(r#"{"event":"typing","to":"@bob"}"#).on, Some(true));
        assert_eq!(event(r#"{"event":"seen","to":"@bob","upto":3}"#).upto, Some(3));
        let register = event(r#"{"event":"register","username":"cat","display_name":"Cat"}"#);
        assert_eq!(register.display_name.as_deref(), Some("Cat"));
        assert_eq!(event(r#"{"event":"disconnect","reason":"idle"}"#).kind, EventKind::Disconnect);
    }

    #[test]
    fn what_the_daemon_would_refuse_unread_is_refused_here() {
        assert_eq!(code(r#"{"event":"message","to":"@bob"}"#), "malformed");
        assert_eq!(code(r#"{"event":"shout","to":"@bob"}"#), "unknown_event");
        assert_eq!(code(r#"{"event":"message","to":"bob","content":"hi"}"#), "unknown_user");
        assert!(parse("hi").is_err());
        assert!(parse(r#"{"event":"sync","have":{}}"#).is_err());
        let password = r#"{"event":"login","username":"ann","password":"x"}"#;
        assert!(parse(password).err().unwrap().contains("unknown field `password`"));
    }
}
