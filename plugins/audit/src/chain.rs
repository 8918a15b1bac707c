//! The hash chain: how a line is made from its fields, and what is read back from it.
//!
//! A line is a JSON object. It begins with its number `n`, and ends with `prev`, the hash of the
//! line before, and `hash`, its own: SHA-256, or HMAC-SHA256 with a key, over the bytes of the
//! line as it would be without the member `hash`, and without the line's end.

use std::{
    fmt::{self, Write as _},
    str::FromStr,
};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};

/// What the hash of a line is made with.
#[derive(Clone)]
pub enum Seal {
    /// SHA-256: anybody can check it, and make it.
    Plain,
    /// HMAC-SHA256: only who has the key can check it, or make it.
    Keyed(Box<Hmac<Sha256>>),
}

impl Seal {
    /// HMAC-SHA256 with this key, of any length.
    pub fn keyed(key: &[u8]) -> Self {
        match Hmac::new_from_slice(key) {
            Ok(mac) => Self::Keyed(Box::new(mac)),
            // HMAC takes a key of any length.
            Err(_) => unreachable!("a key of any length will do"),
        }
    }

    /// The algorithm's name, as in the line `opened`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Plain => "sha256",
            Self::Keyed(_) => "hmac-sha256",
        }
    }

    /// The hash of a line's text without its hash.
    pub fn hash(&self, text: &[u8]) -> Hash {
        self.hash_of(&[text])
    }

    /// Whether both make the same hashes.
    pub fn same(&self, other: &Self) -> bool {
        self.hash(b"") == other.hash(b"")
    }

    /// The line number `n` with these fields (the inside of a JSON object, not empty) after a
    /// line whose hash is `prev`, with its end; and its hash.
    pub fn line(&self, n: u64, fields: &str, prev: Hash) -> (String, Hash) {
        let mut line = format!("{{\"n\":{n},{fields},\"prev\":\"{prev}\"}}");
        let hash = self.hash(line.as_bytes());
        line.pop();
        // Writing to a String never fails.
        let _ = writeln!(line, "{HASH}{hash}\"}}");
        (line, hash)
    }

    fn hash_of(&self, parts: &[&[u8]]) -> Hash {
        match self {
            Self::Plain => {
                let mut hasher = Sha256::new();
                parts.iter().for_each(|part| hasher.update(part));
                Hash(hasher.finalize().into())
            }
            Self::Keyed(mac) => {
                let mut mac = mac.clone();
                parts.iter().for_each(|part| mac.update(part));
                Hash(mac.finalize().into_bytes().into())
            }
        }
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What stands before a line's hash.
const HASH: &str = ",\"hash\":\"";

/// The hash of a line: 64 digits of `0-9 a-f` when written.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Hash([u8; 32]);

impl Hash {
    /// Length of the written form, in bytes.
    pub const TEXT_LEN: usize = 64;
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not a hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidHash;

impl fmt::Display for InvalidHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not a hash: {} of 0-9 a-f", Self::LEN)
    }
}

impl InvalidHash {
    const LEN: usize = Hash::TEXT_LEN;
}

impl FromStr for Hash {
    type Err = InvalidHash;

    fn from_str(text: &str) -> Result<Self, InvalidHash> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(InvalidHash),
        };
        let mut hash = [0; 32];
        if text.len() != Self::TEXT_LEN {
            return Err(InvalidHash);
        }
        for (byte, pair) in hash.iter_mut().zip(text.as_bytes().chunks(2)) {
            for half in pair {
                *byte = *byte << 4 | digit(*half)?;
            }
        }
        Ok(Self(hash))
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Where a log ends: its last line's number and hash.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Head {
    /// The number; 0 if there is no line.
    pub n: u64,
    /// The hash; all zeros if there is no line.
    pub hash: Hash,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.n, self.hash)
    }
}

/// What the chain needs to know of a line.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Record {
    /// Its number.
    pub n: u64,
    /// The hash of the line before.
    pub prev: Hash,
    /// Its own hash, as written: whether it is right is another matter.
    pub hash: Hash,
    /// What it is about.
    #[serde(default)]
    pub kind: String,
    /// Of a `gap`: how many events are missing.
    #[serde(default)]
    pub dropped: u64,
}

impl Record {
    /// Reads a line, without its end. Does not check the hash.
    ///
    /// # Errors
    /// Why it is no line of an audit log.
    pub fn read(line: &[u8]) -> Result<Self, String> {
        let record: Self = serde_json::from_slice(line).map_err(|error| error.to_string())?;
        let hash = text_and_hash(line).map(|(_, hash)| hash);
        if hash == Some(record.hash.to_string().as_bytes()) {
            Ok(record)
        } else {
            Err("the hash is not its last member".into())
        }
    }

    /// Whether `line`, of which this was read, has the hash that its text gives.
    pub fn fits(&self, line: &[u8], seal: &Seal) -> bool {
        text_and_hash(line).is_some_and(|(text, _)| seal.hash_of(&[text, b"}"]) == self.hash)
    }

    /// The log's head, if this is its last line.
    pub fn head(&self) -> Head {
        Head { n: self.n, hash: self.hash }
    }
}

/// A line's text up to the hash, without the closing brace, and the hash's digits.
fn text_and_hash(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let line = line.strip_suffix(b"\"}")?;
    let (text, hash) = line.split_at_checked(line.len().checked_sub(Hash::TEXT_LEN)?)?;
    Some((text.strip_suffix(HASH.as_bytes())?, hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_as_it_was_made() {
        for seal in [Seal::Plain, Seal::keyed(b"key")] {
            let prev = seal.hash(b"before");
            let (line, hash) = seal.line(7, r#""kind":"gap","dropped":3"#, prev);
            let line = line.strip_suffix('\n').unwrap().as_bytes();
            let record = Record::read(line).unwrap();
            assert_eq!(record, Record { n: 7, prev, hash, kind: "gap".into(), dropped: 3 });
            assert!(record.fits(line, &seal));
            assert!(!record.fits(line, &Seal::keyed(b"other")));
        }
    }

    /// Fixed, because others verify it too.
    #[test]
    fn the_hash_is_that_of_the_line_without_it() {
        let zeros = Hash::default();
        let (line, hash) = Seal::Plain.line(1, r#""kind":"x""#, zeros);
        assert_eq!(
            line,
            format!(r#"{{"n":1,"kind":"x","prev":"{zeros}","hash":"{hash}"}}"#) + "\n"
        );
        let text = format!(r#"{{"n":1,"kind":"x","prev":"{zeros}"}}"#);
        assert_eq!(hash, Seal::Plain.hash(text.as_bytes()));
        // RFC 6234 and RFC 4231, test case 2.
        assert!(Seal::Plain.hash(b"abc").to_string().starts_with("ba7816bf8f01cfea414140de"));
        let mac = Seal::keyed(b"Jefe").hash(b"what do ya want for nothing?");
        assert!(mac.to_string().starts_with("5bdcc146bf60754e6a042426089575c7"));
    }

    #[test]
    fn what_is_no_line_is_not_read() {
        let (line, hash) = Seal::Plain.line(1, r#""kind":"x""#, Hash::default());
        let line = line.trim_end();
        let upper = line.replace(&hash.to_string(), &hash.to_string().to_uppercase());
        let spaced = line.replace("\"}", "\" }");
        let twice = line.replacen('{', "{\"n\":2,", 1);
        let hashed = line.replacen('{', &format!("{{\"hash\":\"{hash}\","), 1);
        let unlike = line.replacen("\"kind\"", "\"hash\"", 1);
        for bad in ["", "{}", "null", &upper, &spaced, &twice, &hashed, &unlike, &line[1..]] {
            assert!(Record::read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
