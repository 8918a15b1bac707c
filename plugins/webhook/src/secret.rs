//! Texts that are not shown, and the signature made with one: HMAC-SHA256 as in the Standard
//! Webhooks specification, <https://www.standardwebhooks.com>.

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Deserializer, de};
use serde_json::Value;

/// What a secret in base64 begins with.
const PREFIX: &str = "whsec_";
/// The fewest bytes of a key, as the specification asks.
const MIN_BYTES: usize = 24;

/// A text that stays out of logs: a secret, or an address that may have one in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The usual error would show the value.
        match Value::deserialize(deserializer)? {
            Value::String(text) => Ok(Self(text)),
            _ => Err(de::Error::custom("a text is wanted here, in quotes")),
        }
    }
}

/// The key that requests are signed with.
#[derive(Clone)]
pub struct Key(hmac::Key);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// The key that `text` stands for: `whsec_` and base64, or any other text as it stands.
    ///
    /// # Errors
    /// When it is not base64, or too short; without the text.
    pub fn new(text: &str) -> Result<Self, String> {
        let bytes = match text.strip_prefix(PREFIX) {
            Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
                format!("what follows {PREFIX} is not base64: try openssl rand -base64 32")
            })?,
            None => text.as_bytes().to_vec(),
        };
        if bytes.len() < MIN_BYTES {
            return Err(format!(
                "a key of {} bytes: at least {MIN_BYTES} are needed, try openssl rand -base64 32",
                bytes.len()
            ));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The value of `webhook-signature` for the request `id`, sent at `timestamp`, in seconds
    /// since 1970, with this body.
    pub fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign().as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_that_the_specification_s_libraries_are_tested_with() {
        let key = Key::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b"{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_key_is_base64_with_its_prefix_or_plain() {
        let plain = Key::new("a plain secret of 26 bytes").unwrap();
        let encoded = Key::new("whsec_YSBwbGFpbiBzZWNyZXQgb2YgMjYgYnl0ZXM=").unwrap();
        assert_eq!(plain.sign("id", 1, b"body"), encoded.sign("id", 1, b"body"));
        assert_ne!(plain.sign("id", 1, b"body"), plain.sign("id", 2, b"body"));
        for bad in ["", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64, but long enough"] {
            let error = Key::new(bad).unwrap_err();
            assert!(bad.is_empty() || !error.contains(bad) || bad == PREFIX, "{error}");
        }
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret::from("hunter2".to_owned());
        assert_eq!(format!("{secret:?}"), "[secret]");
        let error = serde_json::from_str::<Secret>("[\"hunter2\"]").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        let error = serde_json::from_str::<Secret>("4711").unwrap_err();
        assert!(!error.to_string().contains("4711"));
    }
}
