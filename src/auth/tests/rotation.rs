//! Several keys: the current one signs, the others only verify.

use std::os::unix::fs::PermissionsExt;

use confab_plugin::UserId;

use super::*;

const OTHER: &str = "another secret, of before or of tomorrow";

fn user() -> UserId {
    UserId::from_u128(7 << 100)
}

fn with_previous(current: &str, previous: &[&str]) -> Auth {
    Auth {
        secret_key: Some(secret(current)),
        previous_secret_keys: previous.iter().map(|text| secret(text)).collect(),
        ..quick()
    }
}

/// The `kid` in a token's header.
fn kid(token: &Token) -> String {
    let header = token.text.expose().split('.').next().unwrap();
    let header: serde_json::Value =
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    header["kid"].as_str().unwrap().to_owned()
}

#[test]
fn tokens_of_listed_keys_are_good_and_of_others_not() {
    let old = tokens(&with_previous(OTHER, &[]));
    let token = old.issue(user(), 0, None).unwrap();
    let new = tokens(&with_previous(SECRET, &[]));
    assert_eq!(new.verify(token.text.expose()), Err(TokenError::Signature));
    let both = tokens(&with_previous(SECRET, &[OTHER]));
    assert_eq!(both.verify(token.text.expose()).map(|c| c.user), Ok(user()));

    let issued = both.issue(user(), 0, None).unwrap();
    assert!(new.verify(issued.text.expose()).is_ok(), "the current key signs");
    assert!(old.verify(issued.text.expose()).is_err());
    // A node that has not switched yet knows the next key.
    let behind = tokens(&with_previous(OTHER, &[SECRET]));
    assert!(behind.verify(issued.text.expose()).is_ok());

    both.replace_keys(load(&with_previous(SECRET, &[])).unwrap());
    assert_eq!(both.verify(token.text.expose()), Err(TokenError::Signature));
    assert!(both.verify(issued.text.expose()).is_ok());
}

#[test]
fn a_key_has_one_id_which_is_not_the_key() {
    let (one, two) = (tokens(&with_previous(SECRET, &[])), tokens(&with_previous(OTHER, &[])));
    let (first, second) =
        (kid(&one.issue(user(), 0, None).unwrap()), kid(&two.issue(user(), 0, None).unwrap()));
    assert_ne!(first, second);
    assert_eq!(kid(&one.issue(UserId::from_u128(1 << 90), 0, None).unwrap()), first);
    assert_eq!(first.len(), 16);
    // No part of the signature of anything that a token could be.
    assert!(!first.contains(SECRET));
    let keys = load(&with_previous(SECRET, &[OTHER, SECRET, OTHER])).unwrap();
    assert_eq!(keys.ids().collect::<Vec<_>>(), [&*first, &*second], "each key once");
}

#[test]
fn a_kid_only_chooses_among_the_keys() {
    let tokens = tokens(&with_previous(SECRET, &[OTHER]));
    let old = load(&with_previous(OTHER, &[])).unwrap();
    let (current, previous) = {
        let keys = tokens.keys();
        let mut ids = keys.ids().map(str::to_owned);
        (ids.next().unwrap(), ids.next().unwrap())
    };
    let claims = serde_json::json!({
        "iss": "confab", "aud": "confab", "sub": user(), "iat": NOW, "nbf": NOW, "exp": NOW + 60,
    });
    for (kid, good) in [
        (String::new(), true),
        (r#","kid":"of another issuer""#.into(), true),
        (r#","kid":7"#.into(), true),
        (r#","kid":null"#.into(), true),
        (r#","kid":{"a":[1]}"#.into(), true),
        (format!(r#","kid":"{previous}""#), true),
        // It says that the current key signed it, which is not so.
        (format!(r#","kid":"{current}""#), false),
    ] {
        let header = format!(r#"{{"alg":"HS256"{kid}}}"#);
        let token = forge(&old, &header, &claims.to_string());
        assert_eq!(tokens.verify(&token).is_ok(), good, "{header}");
    }
}

#[test]
fn public_keys_of_before_are_read_and_checked() {
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let (before, now) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let old = with_files(&before, algorithm, &pair_for(algorithm));
        let mut new = with_files(&now, algorithm, &pair_for(algorithm));
        let token = tokens(&old).issue(user(), 0, None).unwrap();
        assert_eq!(tokens(&new).verify(token.text.expose()), Err(TokenError::Signature));
        new.previous_public_key_files = vec![old.public_key_file.clone().unwrap()];
        assert!(tokens(&new).verify(token.text.expose()).is_ok(), "{algorithm:?}");

        new.previous_public_key_files = vec![old.private_key_file.clone().unwrap()];
        let text = load(&new).unwrap_err().to_string();
        assert!(text.starts_with("auth.previous_public_key_files, "), "{text}");
        assert!(text.contains("\"PUBLIC KEY\" is needed"), "{text}");
        new.previous_public_key_files = vec![now.path().join("nowhere")];
        assert!(load(&new).unwrap_err().to_string().contains("No such file"));
    }
}

#[test]
fn the_key_beside_the_data_is_replaced_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = folder.path();
    let missing = rotate(store, false).unwrap_err().to_string();
    assert!(missing.contains("there is none yet"), "{missing}");

    let config = crate::config::Config {
        store: crate::config::Store { path: store.to_owned(), ..Default::default() },
        ..Default::default()
    };
    let ids = || -> Vec<String> { Keys::of(&config).unwrap().ids().map(str::to_owned).collect() };
    let mut expected = ids();
    for round in 1..=10 {
        let rotated = rotate(store, false).unwrap();
        assert_eq!(rotated.previous, Some(store.join("secret_key.1")));
        let mode = fs::metadata(&rotated.current).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let now = ids();
        assert!(!expected.contains(&now[0]), "a new key");
        expected.insert(0, now[0].clone());
        expected.truncate(9);
        assert_eq!(now, expected, "round {round}");
    }
    let names = || {
        let mut names: Vec<_> =
            fs::read_dir(store).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.sort();
        names
    };
    assert_eq!(names().len(), 9, "{:?}", names());
    assert_eq!(rotate(store, true).unwrap().previous, None);
    assert_eq!((names().len(), ids().len()), (1, 1));
    assert!(!expected.contains(&ids()[0]));

    rotate(store, false).unwrap();
    fs::set_permissions(store.join("secret_key.1"), fs::Permissions::from_mode(0o644)).unwrap();
    let text = Keys::of(&config).unwrap_err().to_string();
    assert!(text.contains("secret_key.1: others can read"), "{text}");
}
