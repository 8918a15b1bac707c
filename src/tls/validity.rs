//! From when until when a certificate is good: the one part of it that the daemon reads itself.

use time::{PrimitiveDateTime, macros::format_description};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
/// The version, `[0]`, which version 1 leaves out.
const VERSION: u8 = 0xa0;

/// The validity of a certificate, as seconds since 1970 in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// It is good from here on.
    pub not_before: i64,
    /// It is good until here.
    pub not_after: i64,
}

impl Validity {
    /// Reads it from a certificate in DER (RFC 5280 section 4.1); `None` if that is none.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (certificate, _) = value(certificate, SEQUENCE)?;
        let (mut rest, _) = value(certificate, SEQUENCE)?;
        if let Some((_, after)) = value(rest, VERSION) {
            rest = after;
        }
        // The serial number, the algorithm of the signature, the issuer.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            (_, rest) = value(rest, tag)?;
        }
        let (validity, _) = value(rest, SEQUENCE)?;
        let (not_before, rest) = moment(validity)?;
        let (not_after, _) = moment(rest)?;
        Some(Self { not_before, not_after })
    }
}

/// The content of the value at the start, which has this tag, and what follows it.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        // The length of the length: no certificate needs more than three bytes.
        0x81..=0x83 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            let length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
            (length, rest)
        }
        _ => return None,
    };
    if *first != tag {
        return None;
    }
    rest.split_at_checked(length)
}

/// The time at the start, and what follows it.
fn moment(bytes: &[u8]) -> Option<(i64, &[u8])> {
    let (text, rest, century) = match (value(bytes, UTC_TIME), value(bytes, GENERALIZED_TIME)) {
        // Two digits of the year: from 1950 to 2049.
        (Some((text, rest)), _) => (text, rest, if text.first()? < &b'5' { "20" } else { "19" }),
        (_, Some((text, rest))) => (text, rest, ""),
        _ => return None,
    };
    let text = format!("{century}{}", std::str::from_utf8(text).ok()?);
    let format = format_description!("[year][month][day][hour][minute][second]Z");
    let moment = PrimitiveDateTime::parse(&text, format).ok()?;
    Some((moment.assume_utc().unix_timestamp(), rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], &content].concat()
    }

    fn certificate(version: &[u8], not_before: &[u8], not_after: &[u8]) -> Vec<u8> {
        let validity = der(SEQUENCE, &[not_before, not_after]);
        let (serial, other) = (der(INTEGER, &[&[1]]), der(SEQUENCE, &[]));
        let inner = der(SEQUENCE, &[version, &serial, &other, &other, &validity, &other]);
        der(SEQUENCE, &[&inner, &other])
    }

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        let version = der(VERSION, &[&der(INTEGER, &[&[2]])]);
        let early = der(UTC_TIME, &[b"700101000001Z"]);
        let late = der(GENERALIZED_TIME, &[b"20500101000000Z"]);
        for version in [&version[..], &[]] {
            let validity = Validity::of(&certificate(version, &early, &late)).unwrap();
            assert_eq!(validity, Validity { not_before: 1, not_after: 2_524_608_000 });
        }
        let late = der(UTC_TIME, &[b"491231235959Z"]);
        let validity = Validity::of(&certificate(&version, &early, &late)).unwrap();
        assert_eq!(validity.not_after, 2_524_607_999);
    }

    #[test]
    fn what_is_cut_short_or_something_else_is_none() {
        let (early, late) =
            (der(UTC_TIME, &[b"700101000001Z"]), der(UTC_TIME, &[b"491231235959Z"]));
        let whole = certificate(&[], &early, &late);
        assert!(Validity::of(&whole).is_some());
        for length in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..length]), None);
        }
        for at in 0..whole.len() {
            for byte in [0, 0x80, 0x84, 0xff] {
                let mut changed = whole.clone();
                changed[at] = byte;
                // Whatever comes of it, it is not a panic.
                let _ = Validity::of(&changed);
            }
        }
        let odd = der(UTC_TIME, &[b"701301000001Z"]);
        assert_eq!(Validity::of(&certificate(&[], &odd, &late)), None);
    }
}
