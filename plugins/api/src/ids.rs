//! The names by which users and sessions are known.

use std::{fmt, str::FromStr, sync::Arc};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use ulid::Ulid;

/// A user's permanent, opaque identity: a ULID, written in lower case.
///
/// Invariant: the written form never holds `_`, so two ids joined by `_` name a pair without
/// ambiguity. Sixteen bytes, copied freely.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UserId(u128);

/// The text is not a lower-case ULID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUserId;

impl fmt::Display for InvalidUserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a user id: expected 26 characters of 0-9 a-z, without i, l, o and u")
    }
}

impl std::error::Error for InvalidUserId {}

impl UserId {
    /// Length of the written form, in bytes.
    pub const TEXT_LEN: usize = 26;

    /// A new id, unique without coordination, and ordered by time of creation.
    pub fn generate() -> Self {
        Self(Ulid::generate().0)
    }

    /// The id with this numeric value.
    pub const fn from_u128(value: u128) -> Self {
        Self(value)
    }

    /// The numeric value.
    pub const fn as_u128(self) -> u128 {
        self.0
    }

    /// Writes the text form into `buffer` and returns it, without an allocation.
    pub fn encode(self, buffer: &mut [u8; Self::TEXT_LEN]) -> &str {
        const DIGITS: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
        let mut value = self.0;
        for byte in buffer.iter_mut().rev() {
            *byte = DIGITS[(value & 31) as usize];
            value >>= 5;
        }
        // Every byte came from DIGITS, so this never falls back.
        std::str::from_utf8(buffer).unwrap_or_default()
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

impl fmt::Debug for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for UserId {
    type Err = InvalidUserId;

    fn from_str(text: &str) -> Result<Self, InvalidUserId> {
        // The 26 digits hold 130 bits: a first digit above 7 would overflow.
        if text.len() != Self::TEXT_LEN || text.as_bytes()[0] > b'7' {
            return Err(InvalidUserId);
        }
        text.bytes()
            .try_fold(0u128, |value, byte| {
                let digit = match byte {
                    b'0'..=b'9' => byte - b'0',
                    b'a'..=b'h' => byte - b'a' + 10,
                    b'j' | b'k' => byte - b'j' + 18,
                    b'm' | b'n' => byte - b'm' + 20,
                    b'p'..=b't' => byte - b'p' + 22,
                    b'v'..=b'z' => byte - b'v' + 27,
                    _ => return Err(InvalidUserId),
                };
                Ok(value << 5 | u128::from(digit))
            })
            .map(Self)
    }
}

impl Serialize for UserId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.encode(&mut [0; Self::TEXT_LEN]))
    }
}

impl<'de> Deserialize<'de> for UserId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// A login name: 2-32 of `a-z 0-9 . _ -`, first a letter or digit. Capitals are folded when it
/// is parsed, so equality is equality without regard to case; nothing outside ASCII gets in, so
/// there are no look-alikes. Cheap to clone.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema)]
#[schemars(transparent)]
pub struct Username(Arc<str>);

/// The text is not a permitted login name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidUsername;

impl fmt::Display for InvalidUsername {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a username is 2 to 32 characters of a-z 0-9 . _ - and starts with a letter or a digit",
        )
    }
}

impl std::error::Error for InvalidUsername {}

impl Username {
    /// The folded name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Username {
    type Err = InvalidUsername;

    fn from_str(text: &str) -> Result<Self, InvalidUsername> {
        let good = (2..=32).contains(&text.len())
            && text.as_bytes()[0].is_ascii_alphanumeric()
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if good { Ok(Self(text.to_ascii_lowercase().into())) } else { Err(InvalidUsername) }
    }
}

impl fmt::Display for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Username {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl Serialize for Username {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Username {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// One connected device of a user, on any node. Random, unique for the session's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_id_reads_what_it_wrote() {
        for value in [0, 1, 31, 32, u128::MAX, Ulid::generate().0] {
            let id = UserId::from_u128(value);
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string(), Ulid(value).to_string().to_lowercase());
        }
    }

    #[test]
    fn only_the_canonical_user_id_is_read() {
        let good = UserId::generate().to_string();
        assert!(good.parse::<UserId>().is_ok());
        assert!(good.to_uppercase().parse::<UserId>().is_err());
        for bad in ["", "abc", "80000000000000000000000000", "0000000000000000000000000i"] {
            assert_eq!(bad.parse::<UserId>(), Err(InvalidUserId), "{bad}");
        }
        assert!("é".repeat(13).parse::<UserId>().is_err());
    }

    #[test]
    fn a_username_is_folded_and_strict() {
        let name: Username = "Ann.B-2_x".parse().unwrap();
        assert_eq!(name.as_str(), "ann.b-2_x");
        let long = "a".repeat(33);
        for bad in ["", "a", ".ab", "_ab", "a b", "аnn", "ann\u{200b}", "a\n", long.as_str()] {
            assert_eq!(bad.parse::<Username>(), Err(InvalidUsername), "{bad:?}");
        }
    }
}
