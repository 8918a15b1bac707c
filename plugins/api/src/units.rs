//! Durations and sizes as people write them in configuration: `"50ms"`, `"64KiB"`.

use std::{fmt, str::FromStr};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A span of time, written as `"250ms"`, `"10s"`, `"1h 30m"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Duration(pub std::time::Duration);

/// The text is not a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidDuration;

impl fmt::Display for InvalidDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a duration: write a number and a unit, such as \"250ms\", \"10s\" or \"1h 30m\"",
        )
    }
}

impl std::error::Error for InvalidDuration {}

impl Duration {
    /// A whole number of milliseconds.
    pub const fn from_millis(millis: u64) -> Self {
        Self(std::time::Duration::from_millis(millis))
    }

    /// A whole number of seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(std::time::Duration::from_secs(seconds))
    }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(self.0).fmt(f)
    }
}

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        humantime::parse_duration(text).map(Self).map_err(|_| InvalidDuration)
    }
}

/// A number of bytes, written as `"512B"`, `"64KiB"`, `"16MB"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSize(pub u64);

/// The text is not a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidByteSize;

impl fmt::Display for InvalidByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "not a size: write a number and a unit, such as \"512B\", \"64KiB\" or \"16MB\"",
        )
    }
}

impl std::error::Error for InvalidByteSize {}

impl ByteSize {
    /// Whole kibibytes.
    pub const fn kib(n: u64) -> Self {
        Self(n * 1024)
    }

    /// Whole mebibytes.
    pub const fn mib(n: u64) -> Self {
        Self(n * 1024 * 1024)
    }

    /// As a length in memory, at most `usize::MAX`.
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

/// From largest to smallest, so that the first that divides evenly is the one to write.
const UNITS: [(&str, u64); 7] = [
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let binary = UNITS.iter().filter(|(name, _)| name.contains('i') || *name == "B");
        for (name, size) in binary {
            if self.0 >= *size && self.0.is_multiple_of(*size) {
                return write!(f, "{}{name}", self.0 / size);
            }
        }
        write!(f, "{}B", self.0)
    }
}

impl FromStr for ByteSize {
    type Err = InvalidByteSize;

    fn from_str(text: &str) -> Result<Self, InvalidByteSize> {
        let text = text.trim();
        let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let number: u64 = text[..digits].parse().map_err(|_| InvalidByteSize)?;
        let unit = text[digits..].trim();
        let size = UNITS
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case(unit))
            .map(|(_, size)| *size)
            .ok_or(InvalidByteSize)?;
        number.checked_mul(size).map(Self).ok_or(InvalidByteSize)
    }
}

/// What is parsed as a duration, for JSON Schemas; but a number out of range matches too.
const DURATION: &str = concat!(
    r"^(0|\s*([0-9][0-9\s]*(\.[0-9\s]*[0-9]\s*)?",
    "(nanos|nsec|ns|usec|us|µs|millis|msec|ms|seconds|second|secs|sec|s|minutes|minute|mins|min|m|",
    "hours|hour|hrs|hr|h|days|day|d|weeks|week|wks|wk|w|months|month|M|years|year|yrs|yr|y)",
    r"\s*)+)$",
);

/// What is parsed as a size, for JSON Schemas; but a number out of range matches too.
const BYTE_SIZE: &str = r"^\s*[0-9]+\s*([KkMmGg][Ii]?)?[Bb]\s*$";

macro_rules! written_as_text {
    ($type:ident, $format:literal, $pattern:expr) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "format": $format, "pattern": $pattern })
            }
        }
    };
}

written_as_text!(Duration, "confab-duration", DURATION);
written_as_text!(ByteSize, "confab-bytes", BYTE_SIZE);

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use regex::Regex;

    use super::*;

    #[test]
    fn durations_read_what_they_write() {
        for text in ["50ms", "10s", "1h 30m", "0s"] {
            assert_eq!(text.parse::<Duration>().unwrap().to_string(), text);
        }
        for bad in ["", "50", "-1s", "5 parsecs"] {
            assert_eq!(bad.parse::<Duration>(), Err(InvalidDuration), "{bad}");
        }
    }

    #[test]
    fn sizes_read_what_they_write() {
        for (text, bytes) in [("512B", 512), ("64KiB", 65536), ("1MiB", 1 << 20), ("0B", 0)] {
            assert_eq!(text.parse::<ByteSize>(), Ok(ByteSize(bytes)));
            assert_eq!(ByteSize(bytes).to_string(), text);
        }
        assert_eq!("16 MB".parse::<ByteSize>(), Ok(ByteSize(16_000_000)));
        for bad in ["", "512", "KiB", "1.5MiB", "-1B", "99999999999GiB", "5 apples"] {
            assert_eq!(bad.parse::<ByteSize>(), Err(InvalidByteSize), "{bad}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_pattern_of_durations_is_what_is_parsed(
            text in "( ?[0-9]{1,2} ?(ns|us|µs|ms|s|sec|min|mins|M|yr|yrs|x|S)? ?){0,3}",
            odd in "[0-9 .smhdMS]{0,8}",
        ) {
            let pattern = Regex::new(DURATION).unwrap();
            prop_assert_eq!(pattern.is_match(&text), text.parse::<Duration>().is_ok(), "{}", text);
            // A fraction may be finer than a nanosecond.
            prop_assert!(pattern.is_match(&odd) || odd.parse::<Duration>().is_err(), "{}", odd);
        }

        #[test]
        fn the_pattern_of_sizes_is_what_is_parsed(text in " ?[0-9]{0,4} ?[KkMGT]?i?[Bb]? ?") {
            let pattern = Regex::new(BYTE_SIZE).unwrap();
            prop_assert_eq!(pattern.is_match(&text), text.parse::<ByteSize>().is_ok(), "{}", text);
        }
    }
}
