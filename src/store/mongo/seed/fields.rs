//! How values of the seed's documents are read: each in any of the forms it may have.

use mongodb::bson::{Bson, Document};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::store::Timestamp;

/// Numbers up to this one are seconds (until the year 5138), larger ones milliseconds (since
/// 1973).
const MAX_SECONDS: i64 = 100_000_000_000;

/// The last millisecond of the year 9999, the last one that RFC 3339 can write.
const MAX_TIME: i64 = 253_402_300_799_999;

/// The first of these fields that is there.
pub(super) fn first<'a>(document: &'a Document, names: &[&str]) -> Option<&'a Bson> {
    names.iter().find_map(|name| document.get(name)).filter(|value| **value != Bson::Null)
}

/// A name or an id, as text.
pub(super) fn key(value: &Bson) -> Option<String> {
    match value {
        Bson::String(text) => Some(text.clone()),
        Bson::ObjectId(id) => Some(id.to_hex()),
        Bson::Int32(number) => Some(number.to_string()),
        Bson::Int64(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A time: a date, a text in ISO 8601 (in UTC unless it says otherwise), or seconds or
/// milliseconds since 1970.
pub(super) fn time(value: &Bson) -> Option<Timestamp> {
    let millis = match value {
        Bson::DateTime(date) => date.timestamp_millis(),
        Bson::Timestamp(timestamp) => i64::from(timestamp.time) * 1000,
        Bson::Int32(number) => since_1970((*number).into()),
        Bson::Int64(number) => since_1970(*number),
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "bounded")]
        Bson::Double(number) if number.abs() <= MAX_SECONDS as f64 => (number * 1000.0) as i64,
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "bounded")]
        Bson::Double(number) if number.abs() <= MAX_TIME as f64 => *number as i64,
        Bson::String(text) => iso(text.trim())?,
        _ => return None,
    };
    in_range(millis)
}

/// When an id was made, if it says so.
pub(super) fn time_of_id(id: &Bson) -> Option<Timestamp> {
    in_range(id.as_object_id()?.timestamp().timestamp_millis())
}

fn in_range(millis: i64) -> Option<Timestamp> {
    (0..=MAX_TIME).contains(&millis).then_some(Timestamp(millis))
}

fn since_1970(number: i64) -> i64 {
    if number <= MAX_SECONDS { number.saturating_mul(1000) } else { number }
}

fn iso(text: &str) -> Option<i64> {
    let (date, clock) = text.split_once(['T', 't', ' '])?;
    let zone = if clock.contains(['Z', 'z', '+', '-']) { "" } else { "Z" };
    let time = OffsetDateTime::parse(&format!("{date}T{clock}{zone}"), &Rfc3339).ok()?;
    i64::try_from(time.unix_timestamp_nanos().div_euclid(1_000_000)).ok()
}

#[cfg(test)]
mod tests {
    use mongodb::bson::{DateTime, oid::ObjectId};

    use super::*;

    #[test]
    fn times_in_every_form() {
        let moment = 1_700_000_000_123;
        for value in [
            Bson::DateTime(DateTime::from_millis(moment)),
            Bson::Int64(moment),
            Bson::Double(1_700_000_000.123),
            Bson::Double(1_700_000_000_123.0),
            "2023-11-14T22:13:20.123Z".into(),
            "2023-11-14T22:13:20.123456".into(),
            "2023-11-14 22:13:20.123456".into(),
            "2023-11-14 23:13:20.123999+01:00".into(),
        ] {
            assert_eq!(time(&value), Some(Timestamp(moment)), "{value}");
        }
        assert_eq!(time(&Bson::Int32(1_700_000_000)), Some(Timestamp(1_700_000_000_000)));
    }

    #[test]
    fn what_is_no_time() {
        for value in [
            Bson::Null,
            "".into(),
            "yesterday".into(),
            "2023-11-14".into(),
            "é 1".into(),
            Bson::Boolean(true),
            Bson::Int64(i64::MAX),
            Bson::Int64(i64::MIN),
            Bson::Int64(-1),
            Bson::Double(f64::NAN),
            Bson::Double(f64::INFINITY),
            Bson::DateTime(DateTime::MAX),
        ] {
            assert_eq!(time(&value), None, "{value}");
        }
    }

    #[test]
    fn an_object_id_says_when_it_was_made() {
        let id = ObjectId::parse_str("6553f100a1b2c3d4e5f60718").unwrap();
        assert_eq!(time_of_id(&id.into()), Some(Timestamp(0x6553_f100 * 1000)));
        assert_eq!(time_of_id(&"6553f100a1b2c3d4e5f60718".into()), None);
    }
}
