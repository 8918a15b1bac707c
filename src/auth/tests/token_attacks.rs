//! Tokens that must not get in: every row is one way to try.

use confab_plugin::{Duration, UserId};
use serde_json::{Value, json};

use super::*;

const HEADER: &str = r#"{"typ":"JWT","alg":"HS256"}"#;

const USER: UserId = UserId::from_u128(0x0123_4567_89ab_cdef << 60);

fn good_claims() -> Value {
    json!({
        "iss": "confab",
        "aud": "confab",
        "sub": USER,
        "iat": NOW,
        "nbf": NOW,
        "exp": NOW + 3600,
    })
}

/// The good claims with one of them set, or removed.
fn with(claim: &str, value: impl Into<Option<Value>>) -> String {
    let mut claims = good_claims();
    match value.into() {
        Some(value) => claims[claim] = value,
        None => drop(claims.as_object_mut().unwrap().shift_remove(claim)),
    }
    claims.to_string()
}

#[test]
fn a_foreign_token_in_good_order_is_accepted() {
    let auth = quick();
    let (tokens, keys) = (tokens(&auth), load(&auth).unwrap());
    let good = good_claims().to_string();
    for (header, claims) in [
        (HEADER, good.clone()),
        (r#"{"alg":"HS256"}"#, good.clone()),
        (r#"{"alg":"HS256","typ":"jwt","kid":"7","jwk":{"k":[1]}}"#, good.clone()),
        (r#" { "alg" : "HS25\u0036" } "#, good),
        (HEADER, with("aud", json!(["other", "confab"]))),
        (HEADER, with("jti", json!("an id"))),
        (HEADER, with("nbf", json!(0))),
        (HEADER, with("iat", json!(NOW + 30))),
        (HEADER, with("nbf", json!(NOW + 30))),
    ] {
        let claims = tokens.verify(&forge(&keys, header, &claims));
        assert_eq!(claims.map(|c| c.user), Ok(USER), "{header}");
    }
}

#[test]
fn a_header_cannot_choose() {
    let auth = quick();
    let (tokens, keys) = (tokens(&auth), load(&auth).unwrap());
    let good = good_claims().to_string();
    for (header, expected) in [
        (r#"{"typ":"JWT","alg":"none"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"None"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"NONE"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"nOnE"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":""}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"hs256"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"HS256 "}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"HS384"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT","alg":"RS256"}"#, TokenError::Algorithm),
        (r#"{"typ":"JWT"}"#, TokenError::Malformed),
        (r#"{"alg":null}"#, TokenError::Malformed),
        (r#"{"alg":["HS256"]}"#, TokenError::Malformed),
        (r#"{"alg":"none","alg":"HS256"}"#, TokenError::Malformed),
        (r#"{"alg":"HS256","crit":["exp"]}"#, TokenError::Header),
        (r#"{"alg":"HS256","crit":[]}"#, TokenError::Header),
        (r#"{"alg":"HS256","crit":null}"#, TokenError::Header),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, TokenError::Header),
        (r#"{"alg":"HS256","b64":false}"#, TokenError::Header),
        (r#"{"alg":"HS256","b64":true}"#, TokenError::Header),
        (r#"{"alg":"HS256","typ":"at+jwt"}"#, TokenError::Header),
        (r#"{"alg":"HS256","typ":""}"#, TokenError::Header),
        (r#"{"alg":"HS256","typ":null}"#, TokenError::Malformed),
        (r#"{"alg":"HS256"}{}"#, TokenError::Malformed),
        (r#"{"alg":"HS256""#, TokenError::Malformed),
        ("[\"HS256\"]", TokenError::Malformed),
        ("", TokenError::Malformed),
    ] {
        let rightly_signed = forge(&keys, header, &good);
        assert_eq!(tokens.verify(&rightly_signed), Err(expected), "{header}");
        let unsigned = format!("{}.{}.", part(header), part(&good));
        assert_eq!(tokens.verify(&unsigned), Err(expected), "{header}");
    }
}

#[test]
fn claims_are_required_and_checked() {
    let auth = Auth { max_token_lifetime: Duration::from_secs(7200), ..quick() };
    let (tokens, keys) = (tokens(&auth), load(&auth).unwrap());
    let id = USER.to_string();
    let mut rows = vec![
        (with("iss", json!("other")), TokenError::Issuer),
        (with("iss", json!("")), TokenError::Issuer),
        (with("iss", json!(["confab"])), TokenError::Malformed),
        (with("aud", json!("other")), TokenError::Audience),
        (with("aud", json!("Confab")), TokenError::Audience),
        (with("aud", json!([])), TokenError::Audience),
        (with("aud", json!(["a", "b"])), TokenError::Audience),
        (with("aud", json!(["confab", 1])), TokenError::Malformed),
        (with("aud", json!({"confab": 1})), TokenError::Malformed),
        (with("sub", json!("")), TokenError::Subject),
        (with("sub", json!(id.to_uppercase())), TokenError::Subject),
        (with("sub", json!(format!("{id}\n"))), TokenError::Subject),
        (with("sub", json!(format!("{}\0", &id[1..]))), TokenError::Subject),
        (with("sub", json!(format!(" {}", &id[1..]))), TokenError::Subject),
        (with("sub", json!("ann")), TokenError::Subject),
        (with("sub", json!(1)), TokenError::Malformed),
        (with("iat", json!(NOW + 31)), TokenError::NotYetValid),
        (with("nbf", json!(NOW + 31)), TokenError::NotYetValid),
        (with("exp", json!(NOW)), TokenError::Lifetime),
        (with("exp", json!(NOW - 1)), TokenError::Lifetime),
        (with("exp", json!(NOW + 7201)), TokenError::Lifetime),
        (with("iat", json!(NOW - 3601)), TokenError::Lifetime),
        (with("iat", json!(0)), TokenError::Lifetime),
        (with("exp", json!(253_402_300_799u64)), TokenError::Lifetime),
        (good_claims().to_string() + "x", TokenError::Malformed),
        ("{}".into(), TokenError::Malformed),
        ("null".into(), TokenError::Malformed),
        (json!(["confab", "confab", id, NOW, NOW, NOW + 3600]).to_string(), TokenError::Malformed),
        (String::new(), TokenError::Malformed),
        ("[".repeat(4000), TokenError::Malformed),
    ];
    for claim in ["iss", "aud", "sub", "iat", "nbf", "exp"] {
        rows.push((with(claim, None), TokenError::Malformed));
        rows.push((with(claim, json!(null)), TokenError::Malformed));
        let twice = good_claims().to_string();
        let twice =
            format!(r#"{},"{claim}":{}}}"#, &twice[..twice.len() - 1], good_claims()[claim]);
        rows.push((twice, TokenError::Malformed));
    }
    for date in ["iat", "nbf", "exp"] {
        for bad in [
            json!(NOW.to_string()),
            json!(NOW as f64 + 0.5),
            json!(NOW as f64),
            json!(-1),
            json!(i64::MIN),
            json!(u64::MAX),
            json!(253_402_300_800u64),
            json!(true),
        ] {
            rows.push((with(date, bad), TokenError::Malformed));
        }
        for raw in ["1e9", "1e400", "99999999999999999999999", "-0", "NaN"] {
            let text = with(date, json!("here")).replace("\"here\"", raw);
            rows.push((text, TokenError::Malformed));
        }
    }
    for (claims, expected) in rows {
        let found = tokens.verify(&forge(&keys, HEADER, &claims));
        assert_eq!(found, Err(expected), "{claims:.200}");
    }
}

#[test]
fn expired_is_said_only_of_our_own() {
    let auth = quick();
    let (tokens, keys) = (tokens(&auth), load(&auth).unwrap());
    let mut claims = good_claims();
    claims["iat"] = json!(NOW - 7200);
    claims["exp"] = json!(NOW - 3600);
    let expired = forge(&keys, HEADER, &claims.to_string());
    assert_eq!(tokens.verify(&expired), Err(TokenError::Expired));
    claims["iss"] = json!("other");
    let foreign = forge(&keys, HEADER, &claims.to_string());
    assert_eq!(tokens.verify(&foreign), Err(TokenError::Issuer));
    let unsigned = expired.rsplit_once('.').unwrap().0.to_owned() + ".";
    assert_eq!(tokens.verify(&unsigned), Err(TokenError::Signature));
}

#[test]
fn the_shape_is_strict() {
    let auth = quick();
    let tokens = tokens(&auth);
    let good = tokens.issue(UserId::generate(), 0).unwrap();
    let good = good.text.expose();
    assert!(tokens.verify(good).is_ok());
    let (message, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = message.split_once('.').unwrap();
    for (bad, expected) in [
        (String::new(), TokenError::Malformed),
        (".".into(), TokenError::Malformed),
        ("..".into(), TokenError::Malformed),
        ("...".into(), TokenError::Malformed),
        (message.into(), TokenError::Malformed),
        (format!("{good}."), TokenError::Malformed),
        (format!(".{good}"), TokenError::Malformed),
        (format!("{header}..{signature}"), TokenError::Signature),
        (format!("{header}.{claims}.{claims}.{signature}"), TokenError::Malformed),
        (format!("{message}."), TokenError::Signature),
        (format!("{good}="), TokenError::Signature),
        (format!("{good}\n"), TokenError::Signature),
        (format!(" {good}"), TokenError::Malformed),
        (format!("{header}=.{claims}.{signature}"), TokenError::Malformed),
        (format!("{header}. {claims}.{signature}"), TokenError::Signature),
        (format!("{message}.{signature}é"), TokenError::Signature),
        (format!("{header}é.{claims}.{signature}"), TokenError::Malformed),
        (format!("Bearer {good}"), TokenError::Malformed),
        (format!("{}.{claims}.{signature}", part("é\u{0}")), TokenError::Malformed),
        (
            format!("{}.{claims}.{signature}", URL_SAFE_NO_PAD.encode([0xff; 9])),
            TokenError::Malformed,
        ),
        ("a".repeat(MAX_TOKEN_BYTES + 1), TokenError::Malformed),
        (format!("{good}{}", "A".repeat(MAX_TOKEN_BYTES)), TokenError::Malformed),
    ] {
        assert_eq!(tokens.verify(&bad), Err(expected), "{bad:.300}");
    }
}

#[test]
fn an_oversized_token_is_not_read() {
    let auth = quick();
    let (tokens, keys) = (tokens(&auth), load(&auth).unwrap());
    let padded = |bytes: usize| {
        let claims = with("pad", json!("a".repeat(bytes)));
        forge(&keys, HEADER, &claims)
    };
    assert!(tokens.verify(&padded(5700)).is_ok());
    assert_eq!(tokens.verify(&padded(6200)), Err(TokenError::Malformed));
}

#[test]
fn the_keys_of_others_do_not_open() {
    let folder = tempfile::tempdir().unwrap();
    let good = good_claims().to_string();

    let ours = tokens(&quick());
    let theirs =
        Auth { secret_key: Some(secret("another secret of at least 32 bytes")), ..quick() };
    let forged = forge(&load(&theirs).unwrap(), HEADER, &good);
    assert_eq!(ours.verify(&forged), Err(TokenError::Signature));

    // Another size of HMAC with our own secret, under either name.
    let larger = load(&Auth { algorithm: Algorithm::HS512, ..quick() });
    let larger = larger.unwrap();
    let named = forge(&larger, r#"{"alg":"HS512"}"#, &good);
    assert_eq!(ours.verify(&named), Err(TokenError::Algorithm));
    let renamed = forge(&larger, HEADER, &good);
    assert_eq!(ours.verify(&renamed), Err(TokenError::Signature));

    // The classic: the public key, which everybody has, as the secret of an HMAC.
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let pair = pair_for(algorithm);
        let ours = tokens(&with_files(&folder, algorithm, &pair));
        let theirs = Auth { secret_key: Some(secret(&pair.1)), ..quick() };
        let confused = load(&theirs).unwrap();
        let named = forge(&confused, HEADER, &good);
        assert_eq!(ours.verify(&named), Err(TokenError::Algorithm));
        let header = format!(r#"{{"alg":"{algorithm:?}"}}"#);
        let renamed = forge(&confused, &header, &good);
        assert_eq!(ours.verify(&renamed), Err(TokenError::Signature));

        let other = load(&with_files(&folder, algorithm, &pair_for(algorithm))).unwrap();
        let other = forge(&other, &header, &good);
        assert_eq!(ours.verify(&other), Err(TokenError::Signature));
    }
}
