//! What a store keeps: accounts, conversations, messages, read marks.

use std::{
    collections::HashMap,
    fmt,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use confab_plugin::{UserId, Username};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::ChangedBy;

/// A moment, in milliseconds since 1970 in UTC. Written as RFC 3339 with milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The machine's clock.
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
}

/// Length of a written moment, in bytes: `2026-11-22T09:30:00.123Z`.
const WRITTEN: usize = 24;

const MILLIS_PER_DAY: i64 = 24 * 60 * 60 * 1000;

impl Timestamp {
    /// Writes the text form into `buffer` and returns it. Every message has one: so this is
    /// arithmetic on whole numbers, several times faster than a formatter. Years before 0 and
    /// after 9999, which RFC 3339 cannot write, become its first and its last moment.
    fn encode(self, buffer: &mut [u8; WRITTEN]) -> &str {
        const FIRST: i64 = -62_167_219_200_000;
        const LAST: i64 = 253_402_300_799_999;
        let millis = self.0.clamp(FIRST, LAST);
        let (days, time) = (millis.div_euclid(MILLIS_PER_DAY), millis.rem_euclid(MILLIS_PER_DAY));
        let (year, month, day) = civil(days);
        *buffer = *b"0000-00-00T00:00:00.000Z";
        let mut put = |place: usize, digits: usize, mut value: i64| {
            for byte in buffer.iter_mut().skip(place).take(digits).rev() {
                *byte = b'0' + (value % 10) as u8;
                value /= 10;
            }
        };
        put(0, 4, year);
        put(5, 2, month);
        put(8, 2, day);
        put(11, 2, time / 3_600_000);
        put(14, 2, time / 60_000 % 60);
        put(17, 2, time / 1000 % 60);
        put(20, 3, time % 1000);
        // Every byte is ASCII, so this never falls back.
        std::str::from_utf8(buffer).unwrap_or_default()
    }
}

/// Year, month and day of a day counted from 1970, in the Gregorian calendar. Years are taken to
/// begin in March, so that the odd day of a leap year is their last.
fn civil(days: i64) -> (i64, i64, i64) {
    const DAYS_OF_400_YEARS: i64 = 146_097;
    // From the first of March of the year 0.
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(DAYS_OF_400_YEARS), days.rem_euclid(DAYS_OF_400_YEARS));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let january = month >= 10;
    let month = if january { month - 9 } else { month + 3 };
    (era * 400 + year + i64::from(january), month, day)
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; WRITTEN]))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let time = OffsetDateTime::parse(&text, &Rfc3339).map_err(de::Error::custom)?;
        let millis = time.unix_timestamp_nanos().div_euclid(1_000_000);
        i64::try_from(millis).map(Self).map_err(de::Error::custom)
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; WRITTEN]))
    }
}

/// Two users, in the order of their ids, so that both name the same conversation. A user may
/// converse with themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Conversation(UserId, UserId);

impl Conversation {
    /// Length of the written form, in bytes.
    const TEXT_LEN: usize = 2 * UserId::TEXT_LEN + 1;

    /// The conversation of these two, in either order.
    pub fn between(a: UserId, b: UserId) -> Self {
        Self(a.min(b), a.max(b))
    }

    /// The participant with the smaller id.
    pub fn first(self) -> UserId {
        self.0
    }

    /// The participant with the larger id.
    pub fn second(self) -> UserId {
        self.1
    }

    /// Writes the text form into `buffer` and returns it, without an allocation.
    fn encode(self, buffer: &mut [u8; Self::TEXT_LEN]) -> &str {
        let mut id = [0; UserId::TEXT_LEN];
        let (first, rest) = buffer.split_at_mut(UserId::TEXT_LEN);
        first.copy_from_slice(self.0.encode(&mut id).as_bytes());
        let (joint, second) = rest.split_at_mut(1);
        joint.fill(b'_');
        second.copy_from_slice(self.1.encode(&mut id).as_bytes());
        // Ids are ASCII, so this never falls back.
        std::str::from_utf8(buffer).unwrap_or_default()
    }
}

/// `A_B`: the two ids joined, as in the name of the collection.
impl fmt::Display for Conversation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

impl Serialize for Conversation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

/// A user's account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The permanent id.
    pub id: UserId,
    /// The login name, unique without regard to case.
    pub username: Username,
    /// The name to show, if one was given.
    pub display_name: Option<Arc<str>>,
    /// The password's hash in PHC format.
    pub password_hash: Arc<str>,
    /// When it was made.
    pub created_at: Timestamp,
}

impl Account {
    /// In place of a hash: no password has it. The account is a plugin's bot.
    pub const BOT: &'static str = "!bot";

    /// Whether it is a plugin's bot.
    pub fn is_bot(&self) -> bool {
        &*self.password_hash == Self::BOT
    }
}

/// A message to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// The sender.
    pub from: UserId,
    /// The recipient.
    pub to: UserId,
    /// The text.
    pub content: Arc<str>,
    /// The sender's own id for it, by which a retry is known.
    pub client_id: Option<Arc<str>>,
    /// When the daemon received it.
    pub at: Timestamp,
    /// The entries of the chain that changed it on its way.
    pub changed_by: ChangedBy,
}

/// A stored message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its conversation.
    pub conversation: Conversation,
    /// Its place there: 1, 2, 3 … without gaps.
    pub seq: u64,
    /// The sender.
    pub from: UserId,
    /// The recipient.
    pub to: UserId,
    /// The text.
    pub content: Arc<str>,
    /// The sender's own id for it.
    pub client_id: Option<Arc<str>>,
    /// When it was received; never earlier than the message before it in the conversation.
    pub at: Timestamp,
    /// The entries of the chain that changed it before it was stored.
    pub changed_by: ChangedBy,
}

/// What [`append`](super::Store::append) did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The stored message: for a retry, the original.
    pub message: Message,
    /// Whether it was stored now; `false` for a retry.
    pub new: bool,
}

/// "`reader` has seen what `peer` wrote, up to `upto`."
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NewMark {
    /// Who has read.
    pub reader: UserId,
    /// Whose messages.
    pub peer: UserId,
    /// Up to which message; `None` for the newest of the conversation.
    pub upto: Option<u64>,
    /// When.
    pub at: Timestamp,
}

/// A stored read mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Who has read.
    pub reader: UserId,
    /// Whose messages.
    pub peer: UserId,
    /// Up to which message; 0 when none.
    pub upto: u64,
    /// When the mark was last moved; for 0, when it was asked for.
    pub at: Timestamp,
}

/// What [`mark_seen`](super::Store::mark_seen) did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marked {
    /// The mark as it now stands.
    pub mark: Mark,
    /// Whether it moved. Marks only move forward.
    pub moved: bool,
}

/// Which part of a conversation is wanted. `before` and `after` are exclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HistoryQuery {
    /// Only messages with a smaller `seq`.
    pub before: Option<u64>,
    /// Only messages with a larger `seq`; then the page holds the oldest of them, else the newest.
    pub after: Option<u64>,
    /// The most messages in the page.
    pub limit: usize,
}

/// A part of a conversation, ascending by `seq`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HistoryPage {
    /// The messages.
    pub messages: Vec<Message>,
    /// Whether more messages match the query than fit in the page.
    pub more: bool,
}

/// Where a page of conversations goes on: after this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConversationCursor {
    /// The time of its newest message.
    pub at: Timestamp,
    /// Its peer.
    pub peer: UserId,
}

/// One conversation as one of its users sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConversationSummary {
    /// The other one.
    pub peer: UserId,
    /// How many messages of the peer this user has not seen, at most the store's bound.
    pub unread: u64,
    /// Up to which message this user has seen the conversation.
    pub seen: u64,
    /// Up to which message the peer has.
    pub seen_by_peer: u64,
    /// The newest message.
    pub last_message: Message,
}

/// A page of conversations, newest first (by time of the newest message, then by peer, both
/// descending).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConversationPage {
    /// The conversations.
    pub conversations: Vec<ConversationSummary>,
    /// Where the next page begins, if there is one.
    pub next: Option<ConversationCursor>,
}

/// The most that one answer to `changes_since` may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeLimit {
    /// Messages.
    pub messages: usize,
    /// Bytes of message text; the first message is always included.
    pub bytes: usize,
}

/// Peers by id: those from `from` on and before `to`, each open when `None`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeerRange {
    /// The first.
    pub from: Option<UserId>,
    /// The first that is no longer meant.
    pub to: Option<UserId>,
}

impl PeerRange {
    /// Everybody.
    pub const ALL: Self = Self { from: None, to: None };

    /// Whether this peer is meant.
    pub fn contains(self, peer: UserId) -> bool {
        self.from.is_none_or(|from| from <= peer) && self.to.is_none_or(|to| peer < to)
    }
}

/// What a user asks for who was away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeQuery {
    /// Up to where they have the messages of the conversation with each peer; none of those
    /// with a peer who is not named. Peers out of `between` do not count.
    pub have: HashMap<UserId, u64>,
    /// Only the conversations with these peers are asked about.
    pub between: PeerRange,
    /// The most that the answer may hold.
    pub limit: ChangeLimit,
}

impl ChangeQuery {
    /// About all conversations.
    pub const fn all(have: HashMap<UserId, u64>, limit: ChangeLimit) -> Self {
        Self { have, between: PeerRange::ALL, limit }
    }
}

/// What a user lacks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Messages, ascending by `seq` and without a hole in each conversation.
    pub messages: Vec<Message>,
    /// Both sides' read marks (those above 0) of the conversations that the question named and of
    /// those with messages here. None while the answer is not complete: who asks on names then
    /// what they got, and repeating all marks with each answer would cost more than the messages.
    pub marks: Vec<Mark>,
    /// Whether nothing that was asked for was left out.
    pub complete: bool,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use time::{format_description::FormatItem, macros::format_description};

    use super::*;

    const FORMAT: &[FormatItem<'_>] =
        format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

    fn by_library(moment: Timestamp) -> String {
        let nanos = i128::from(moment.0) * 1_000_000;
        OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap().format(FORMAT).unwrap()
    }

    #[test]
    fn a_moment_beyond_what_can_be_written_becomes_the_nearest() {
        assert_eq!(Timestamp(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn every_day_of_four_centuries() {
        for day in -200_000..200_000 {
            let moment = Timestamp(day * MILLIS_PER_DAY);
            assert_eq!(moment.to_string(), by_library(moment));
        }
    }

    proptest! {
        #[test]
        fn as_the_library_writes_it(millis in -62_167_219_200_000i64..=253_402_300_799_999) {
            let moment = Timestamp(millis);
            prop_assert_eq!(moment.to_string(), by_library(moment));
            let read: Timestamp = serde_json::from_str(&format!("\"{moment}\"")).unwrap();
            prop_assert_eq!(read, moment);
        }

        #[test]
        fn a_conversation_joins_its_ids(a: u128, b: u128) {
            let (a, b) = (UserId::from_u128(a), UserId::from_u128(b));
            let written = Conversation::between(a, b).to_string();
            prop_assert_eq!(written, format!("{}_{}", a.min(b), a.max(b)));
        }
    }
}
