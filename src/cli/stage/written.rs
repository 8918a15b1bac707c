//! An event as people write it down, and the event and circumstances that it stands for.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use confab_plugin::{
    Connect, Context, Disconnect, Event, EventKind, Login, Message, Problem, Register, Seen,
    SessionId, Typing, User, UserId, Username,
};
use schemars::JsonSchema;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::hub::CloseReason;

/// Who acts, and with whom, unless it is said.
const FROM: &str = "ann";
const TO: &str = "bob";

/// One event. Each kind takes some of the keys.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Written {
    /// What happens: register, login, connect, message, typing, seen or disconnect.
    pub kind: EventKind,
    /// Who acts: a username, or a user id of 26 characters. `ann` unless given.
    #[serde(default)]
    pub from: Option<String>,
    /// With whom: like `from`. `bob` unless given.
    #[serde(default)]
    pub to: Option<String>,
    /// The text of a message.
    #[serde(default)]
    pub content: Option<String>,
    /// The client's own id of a message.
    #[serde(default)]
    pub id: Option<String>,
    /// The name that is to be registered or logged in. `ann` unless given.
    #[serde(default)]
    pub username: Option<String>,
    /// The name to show that is to be registered.
    #[serde(default)]
    pub display_name: Option<String>,
    /// What the client that connects calls itself.
    #[serde(default)]
    pub user_agent: Option<String>,
    /// Whether typing began; true unless given.
    #[serde(default)]
    pub on: Option<bool>,
    /// Up to which message all is seen; the newest unless given.
    #[serde(default)]
    pub upto: Option<u64>,
    /// Why a session ended. `client` unless given.
    #[serde(default)]
    pub reason: Option<String>,
    /// The client's IP address. 127.0.0.1 unless given.
    #[serde(default)]
    pub address: Option<String>,
    /// The entry whose bot sends the message: the event then comes from no client.
    #[serde(default)]
    pub sent_by: Option<String>,
}

/// When something happens: by the calendar, and on the clock that never jumps.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    pub received: SystemTime,
    pub arrived: Instant,
}

impl Clock {
    /// A clock that begins at `received`.
    pub fn starting(received: SystemTime) -> Self {
        Self { received, arrived: Instant::now() }
    }

    /// The same clock, later; `None` if that is beyond what a clock can show.
    pub fn after(self, time: Duration) -> Option<Self> {
        let received = self.received.checked_add(time)?;
        Some(Self { received, arrived: self.arrived.checked_add(time)? })
    }
}

impl Written {
    /// An event of which nothing is said but its kind.
    pub fn of(kind: EventKind) -> Self {
        Self {
            kind,
            from: None,
            to: None,
            content: None,
            id: None,
            username: None,
            display_name: None,
            user_agent: None,
            on: None,
            upto: None,
            reason: None,
            address: None,
            sent_by: None,
        }
    }

    /// The event and its circumstances, at that time. Values that the daemon itself would refuse
    /// are let through, but for names: see [`Stage::play`](super::Stage::play).
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn stage(&self, clock: Clock) -> Result<(Context, Event), Vec<Problem>> {
        let mut problems = self.useless();
        let mut read =
            |key: &str, text: Option<&str>, unless: &str| match user(text.unwrap_or(unless)) {
                Ok(user) => user,
                Err(problem) => {
                    problems.push(Problem::at(key, problem));
                    nobody()
                }
            };
        let (from, to) =
            (read("from", self.from.as_deref(), FROM), read("to", self.to.as_deref(), TO));
        let name = read("username", self.username.as_deref(), FROM).name;
        let address = match self.address.as_deref().map(str::parse::<IpAddr>) {
            None => IpAddr::V4(Ipv4Addr::LOCALHOST),
            Some(Ok(address)) => address,
            Some(Err(_)) => {
                let message = "not an IP address, such as 192.0.2.7 or 2001:db8::7";
                problems.push(Problem::at("address", message));
                Context::NOWHERE
            }
        };
        let event = match self.kind {
            EventKind::Register => {
                Event::Register(Register::new(name, shared(self.display_name.as_deref())))
            }
            EventKind::Login => Event::Login(Login::new(name)),
            EventKind::Connect => Event::Connect(Connect::new(shared(self.user_agent.as_deref()))),
            EventKind::Message => {
                if self.content.is_none() {
                    problems.push(Problem::at("content", "\"content\" is missing in this message"));
                }
                let content = self.content.as_deref().unwrap_or_default();
                let id = shared(self.id.as_deref());
                Event::Message(Message::new(from.id, to.id, content, id))
            }
            EventKind::Typing => {
                Event::Typing(Typing::new(from.id, to.id, self.on.unwrap_or(true)))
            }
            EventKind::Seen => Event::Seen(Seen::new(from.id, to.id, self.upto)),
            EventKind::Disconnect => {
                let given = self.reason.as_deref().unwrap_or(CloseReason::Client.as_str());
                let known = CloseReason::ALL.map(CloseReason::as_str);
                let reason = known.into_iter().find(|known| *known == given);
                if reason.is_none() {
                    let message = format!("no reason why a session ends: {}", known.join(", "));
                    problems.push(Problem::at("reason", message));
                }
                Event::Disconnect(Disconnect::new(reason.unwrap_or_default()))
            }
        };
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok((self.context(from, address, clock), event))
    }

    fn context(&self, from: User, address: IpAddr, clock: Clock) -> Context {
        let session = SessionId(u64::from_be_bytes(hash("session", from.name.as_str())));
        // Who registers or logs in is not known yet.
        let known = !matches!(self.kind, EventKind::Register | EventKind::Login);
        let of_client = known && self.sent_by.is_none();
        let address = if self.sent_by.is_some() { Context::NOWHERE } else { address };
        let user = known.then(|| Arc::new(from));
        let mut cx = Context::new(user, of_client.then_some(session), address);
        cx.sent_by = self.sent_by.as_deref().map(Arc::from);
        (cx.received, cx.arrived) = (clock.received, clock.arrived);
        cx
    }

    /// The keys that this kind of event does not take.
    fn useless(&self) -> Vec<Problem> {
        let takes: &[&str] = match self.kind {
            EventKind::Register => &["username", "display_name", "address"],
            EventKind::Login => &["username", "address"],
            EventKind::Connect => &["from", "user_agent", "address"],
            EventKind::Message => &["from", "to", "content", "id", "address", "sent_by"],
            EventKind::Typing => &["from", "to", "on", "address"],
            EventKind::Seen => &["from", "to", "upto", "address"],
            EventKind::Disconnect => &["from", "reason", "address"],
        };
        let given = [
            ("from", self.from.is_some()),
            ("to", self.to.is_some()),
            ("content", self.content.is_some()),
            ("id", self.id.is_some()),
            ("username", self.username.is_some()),
            ("display_name", self.display_name.is_some()),
            ("user_agent", self.user_agent.is_some()),
            ("on", self.on.is_some()),
            ("upto", self.upto.is_some()),
            ("reason", self.reason.is_some()),
            ("address", self.address.is_some()),
            ("sent_by", self.sent_by.is_some()),
        ];
        let useless = given.iter().filter(|(key, given)| *given && !takes.contains(key));
        let told = useless.map(|(key, _)| {
            let (kind, takes) = (self.kind, takes.join(", "));
            Problem::at(key, format!("\"{key}\" says nothing in a {kind}: it takes {takes}"))
        });
        let mut problems: Vec<_> = told.collect();
        if self.sent_by.is_some() && self.address.is_some() {
            problems.push(Problem::at("address", "what a bot sends comes from no address"));
        }
        problems
    }
}

/// The user of that name or id: `ann`, `@ann`, or 26 characters. A name always has the same
/// made-up id.
///
/// # Errors
/// It is neither.
pub fn user(text: &str) -> Result<User, String> {
    if let Ok(id) = text.parse::<UserId>() {
        let name = text.parse().map_err(|_| "not a user id".to_owned())?;
        return Ok(User { id, name });
    }
    let name: Username = text.strip_prefix('@').unwrap_or(text).parse().map_err(
        |error: confab_plugin::InvalidUsername| format!("not the name of a user: {error}"),
    )?;
    Ok(User { id: UserId::from_u128(u128::from_be_bytes(hash("user", name.as_str()))), name })
}

/// Takes the place of a user that could not be read; never seen by anybody.
fn nobody() -> User {
    user(FROM).unwrap_or_else(|_| unreachable!("a good name"))
}

fn shared(text: Option<&str>) -> Option<Arc<str>> {
    text.map(Arc::from)
}

fn hash<const N: usize>(what: &str, name: &str) -> [u8; N] {
    let digest = <[u8; 32]>::from(Sha256::digest(format!("rehearsal {what} {name}")));
    let mut bytes = [0; N];
    bytes.iter_mut().zip(digest).for_each(|(to, from)| *to = from);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock() -> Clock {
        Clock::starting(SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn every_kind_can_be_written_with_nothing_but_what_it_needs() {
        for kind in EventKind::ALL {
            let mut written = Written::of(kind);
            if kind == EventKind::Message {
                written.content = Some("hi".into());
            }
            let (cx, event) = written.stage(clock()).unwrap();
            assert_eq!(event.kind(), kind);
            let known = !matches!(kind, EventKind::Register | EventKind::Login);
            assert_eq!((cx.user.is_some(), cx.session.is_some()), (known, known), "{kind}");
        }
    }

    #[test]
    fn a_name_is_always_the_same_user_and_others_are_others() {
        let id = |text| user(text).unwrap().id;
        assert_eq!(id("ann"), id("@Ann"));
        assert_ne!(id("ann"), id("bob"));
        assert_eq!(id(&id("ann").to_string()), id("ann"));
        assert!(user("a b").is_err() && user("").is_err());
    }

    #[test]
    fn all_that_is_wrong_is_told() {
        let mut written = Written::of(EventKind::Typing);
        written.from = Some("Jürgen".into());
        written.content = Some("x".into());
        written.address = Some("here".into());
        let told: Vec<_> =
            written.stage(clock()).unwrap_err().iter().map(ToString::to_string).collect();
        assert!(
            told[0].starts_with("content: \"content\" says nothing in a typing: it takes from"),
            "{told:?}"
        );
        assert!(told[1].starts_with("from: not the name of a user"), "{told:?}");
        assert!(told[2].starts_with("address: not an IP address"), "{told:?}");
        let mut ended = Written::of(EventKind::Disconnect);
        ended.reason = Some("bored".into());
        assert!(ended.stage(clock()).unwrap_err()[0].message.contains("slow_client"));
    }

    #[test]
    fn a_bot_s_message_comes_from_nowhere() {
        let mut written = Written::of(EventKind::Message);
        (written.content, written.sent_by) = (Some("hi".into()), Some("helper".into()));
        let (cx, _) = written.stage(clock()).unwrap();
        assert_eq!((cx.session, cx.address), (None, Context::NOWHERE));
        assert_eq!(cx.sent_by.as_deref(), Some("helper"));
    }
}
