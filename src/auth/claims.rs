//! The two JSON parts of a token, written and strictly read. RFC 7515, section 4; RFC 7519,
//! section 4.1.

use std::{borrow::Cow, fmt};

use confab_plugin::UserId;
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};

/// The last second of the year 9999. Later dates are refused, so that no sum overflows.
const LAST_DATE: u64 = 253_402_300_799;

/// What matters of a token's header. A key given twice is an error; keys that are not named
/// here (`kid`, `jwk`, `jku`, `x5u` …) have no effect.
#[derive(Deserialize)]
pub(super) struct Header<'a> {
    #[serde(borrow)]
    pub alg: Cow<'a, str>,
    #[serde(borrow, default = "jwt")]
    pub typ: Cow<'a, str>,
    /// Whether `crit` is there, with whatever value.
    #[serde(default, deserialize_with = "present")]
    pub crit: bool,
    /// Whether `b64` is there, with whatever value.
    #[serde(default, deserialize_with = "present")]
    pub b64: bool,
}

/// The claims of a foreign token. All but `epoch` are required; a key given twice is an error.
#[derive(Deserialize)]
pub(super) struct Read<'a> {
    #[serde(borrow)]
    pub iss: Cow<'a, str>,
    pub aud: Audience,
    #[serde(borrow)]
    pub sub: Cow<'a, str>,
    #[serde(deserialize_with = "date")]
    pub iat: u64,
    #[serde(deserialize_with = "date")]
    pub nbf: u64,
    #[serde(deserialize_with = "date")]
    pub exp: u64,
    /// Missing in the first epoch.
    #[serde(default)]
    pub epoch: u64,
}

/// The claims of a token of ours.
#[derive(Serialize)]
pub(super) struct Written<'a> {
    pub iss: &'a str,
    pub aud: &'a str,
    pub sub: UserId,
    pub iat: u64,
    pub nbf: u64,
    pub exp: u64,
    #[serde(skip_serializing_if = "is_first")]
    pub epoch: u64,
}

fn is_first(epoch: &u64) -> bool {
    *epoch == 0
}

/// For whom a token is: one or several.
pub(super) struct Audience(Vec<String>);

impl Audience {
    pub fn contains(&self, wanted: &str) -> bool {
        self.0.iter().any(|one| one == wanted)
    }
}

impl<'de> Deserialize<'de> for Audience {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrSeveral;

        impl<'de> Visitor<'de> for OneOrSeveral {
            type Value = Audience;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or an array of texts")
            }

            fn visit_str<E>(self, one: &str) -> Result<Audience, E> {
                Ok(Audience(vec![one.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut several: A) -> Result<Audience, A::Error> {
                let mut all = Vec::new();
                while let Some(one) = several.next_element()? {
                    all.push(one);
                }
                Ok(Audience(all))
            }
        }

        deserializer.deserialize_any(OneOrSeveral)
    }
}

/// Reads one JSON object. Serde alone would take an array of the values in order as well.
pub(super) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    if !json.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice(json).ok()
}

fn jwt<'a>() -> Cow<'a, str> {
    Cow::Borrowed("JWT")
}

fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<bool, D::Error> {
    IgnoredAny::deserialize(deserializer).map(|_| true)
}

/// Whole seconds since 1970. RFC 7519 allows fractions; nobody we know sends them.
fn date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let seconds = u64::deserialize(deserializer)?;
    if seconds > LAST_DATE {
        return Err(serde::de::Error::custom("a date beyond the year 9999"));
    }
    Ok(seconds)
}
