//! Good tokens: what is issued is verified, by each algorithm and to the second.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use confab_plugin::{Duration, UserId};
use serde_json::Value;

use super::*;

#[test]
fn each_algorithm_verifies_what_it_issued() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in [
        Algorithm::HS256,
        Algorithm::HS384,
        Algorithm::HS512,
        Algorithm::RS256,
        Algorithm::ES256,
        Algorithm::EdDSA,
    ] {
        let auth = match algorithm {
            Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => Auth { algorithm, ..quick() },
            _ => with_files(&folder, algorithm, &pair_for(algorithm)),
        };
        let tokens = tokens(&auth);
        let user = UserId::generate();
        let token = tokens.issue(user, 0).unwrap();
        let now = i64::try_from(NOW).unwrap() * 1000;
        assert_eq!(
            tokens.verify(token.text.expose()),
            Ok(Claims {
                user,
                epoch: 0,
                issued: Timestamp(now),
                expires: Timestamp(now + 86_400_000)
            }),
            "{algorithm:?}"
        );
        assert_eq!(token.expires_in, 86_400);
        let header = token.text.expose().split('.').next().unwrap();
        let header: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
        assert_eq!(header, serde_json::json!({"typ": "JWT", "alg": format!("{algorithm:?}")}));
    }
}

#[test]
fn a_token_is_good_from_its_second_to_its_last() {
    let second = Arc::new(AtomicU64::new(NOW));
    let clock: Clock = {
        let second = Arc::clone(&second);
        Arc::new(move || Timestamp(i64::try_from(second.load(Ordering::SeqCst)).unwrap() * 1000))
    };
    let auth =
        Auth { token_lifetime: Duration::from_secs(60), leeway: Duration::from_secs(5), ..quick() };
    let tokens = Tokens::with_clock(&auth, load(&auth).unwrap(), clock);
    let token = tokens.issue(UserId::generate(), 0).unwrap();
    assert_eq!(token.expires_in, 60);
    for (when, expected) in [
        (NOW - 6, Some(TokenError::NotYetValid)),
        (NOW - 5, None),
        (NOW, None),
        (NOW + 60, None),
        (NOW + 64, None),
        (NOW + 65, Some(TokenError::Expired)),
        (NOW + 1_000_000_000, Some(TokenError::Expired)),
        (0, Some(TokenError::NotYetValid)),
    ] {
        second.store(when, Ordering::SeqCst);
        let found = tokens.verify(token.text.expose()).err();
        assert_eq!(found, expected, "at NOW{:+}", when as i64 - NOW as i64);
    }
}

#[test]
fn a_token_never_outlives_the_maximum() {
    let auth = Auth {
        token_lifetime: Duration::from_secs(7200),
        max_token_lifetime: Duration::from_secs(3600),
        ..quick()
    };
    let tokens = tokens(&auth);
    let token = tokens.issue(UserId::generate(), 0).unwrap();
    assert_eq!(token.expires_in, 3600);
    assert!(tokens.verify(token.text.expose()).is_ok());
}

#[test]
fn nothing_secret_is_printed() {
    let auth = quick();
    let tokens = tokens(&auth);
    let token = tokens.issue(UserId::generate(), 0).unwrap();
    let passwords = Passwords::new(&auth).unwrap();
    let printed = format!("{tokens:?} {token:?} {passwords:?}");
    assert!(!printed.contains(SECRET) && !printed.contains(token.text.expose()));
    assert!(printed.contains("HS256") && printed.contains("expires_in"));
}
