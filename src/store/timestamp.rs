//! A moment, and how it is written.

use std::{
    fmt,
    time::{SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

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
    }
}
