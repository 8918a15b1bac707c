//! Tokens: what anybody may send, and what a thief of the key's algorithm, but not of the key,
//! may make of a good one.

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use confab::{
    auth::{KeyError, Keys, MAX_TOKEN_BYTES, Tokens},
    config::{Auth, Secret},
    store::Timestamp,
};
use confab_plugin::UserId;
use serde_json::Value;

use super::{first_line, text};

const SECRET: &str = "a secret that only the fuzz targets know";

/// The second at which the clock stands: 2026-11-22.
const NOW: u64 = 1_795_300_000;

static AUTH: LazyLock<Auth> =
    LazyLock::new(|| Auth { secret_key: Some(Secret::from(SECRET.to_owned())), ..Auth::default() });
static TOKENS: LazyLock<Tokens> = LazyLock::new(|| {
    let keys = Keys::load(&AUTH, || Err(KeyError::MissingSecret)).expect("keys");
    let now = Timestamp(i64::try_from(NOW * 1000).expect("a time"));
    Tokens::with_clock(&AUTH, keys, Arc::new(move || now))
});
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let token = TOKENS.issue(UserId::from_u128(7), 0).expect("a token");
    token.text.expose().to_owned()
});

/// The first byte says what the rest is: a token, changes of a good one, or the header and the
/// claims of one that is rightly signed.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    match kind % 3 {
        0 => any_text(&text(rest)),
        1 => changed(rest),
        _ => signed(&text(rest)),
    }
}

fn any_text(token: &str) {
    match TOKENS.verify(token) {
        Ok(_) => assert_eq!(token, *GOOD),
        Err(error) => {
            let told = error.to_string();
            assert!(["the token is not valid", "the token has expired"].contains(&&*told));
        }
    }
}

/// Each three bytes are a change: at which place, to what. No change at all is accepted.
fn changed(changes: &[u8]) {
    let mut token = GOOD.clone().into_bytes();
    for change in changes.chunks_exact(3) {
        let place = usize::from(u16::from_be_bytes([change[0], change[1]])) % (token.len() + 1);
        match token.get_mut(place) {
            Some(byte) => *byte = change[2],
            None => token.push(change[2]),
        }
    }
    // Headers hold any bytes, and are looked at as text.
    if let Ok(token) = String::from_utf8(token) {
        assert_eq!(TOKENS.verify(&token).is_ok(), token == *GOOD, "{token}");
    }
}

/// The first line is the header, the rest the claims.
fn signed(parts: &str) {
    let (header, claims) = first_line(parts);
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, message.as_bytes()));
    let token = format!("{message}.{signature}");
    let Ok(found) = TOKENS.verify(&token) else { return };
    assert!(token.len() <= MAX_TOKEN_BYTES);
    let header: Value = serde_json::from_str(header).expect("the header of a good token is JSON");
    assert_eq!(header["alg"], "HS256");
    assert!(header.get("crit").is_none() && header.get("b64").is_none());
    let claims: Value = serde_json::from_str(claims).expect("the claims of a good token are JSON");
    assert_eq!(claims["sub"], found.user.to_string());
    assert_eq!(claims["iss"], *AUTH.issuer);
    let second = |key: &str| claims[key].as_u64().expect("whole seconds");
    let (iat, nbf, exp) = (second("iat"), second("nbf"), second("exp"));
    let leeway = AUTH.leeway.0.as_secs();
    assert!(iat <= NOW + leeway && nbf <= NOW + leeway && NOW < exp + leeway && iat < exp);
    assert!(Duration::from_secs(exp - iat) <= AUTH.max_token_lifetime.0);
    assert_eq!(found.issued, Timestamp(i64::try_from(iat * 1000).expect("a time")));
    assert_eq!(found.expires, Timestamp(i64::try_from(exp * 1000).expect("a time")));
}
