//! No text but a good token verifies, and none makes the verifier panic.

use std::sync::LazyLock;

use confab_plugin::UserId;
use proptest::prelude::*;

use super::*;

static TOKENS: LazyLock<Tokens> = LazyLock::new(|| tokens(&quick()));
static KEYS: LazyLock<Keys> = LazyLock::new(|| load(&quick()).unwrap());
static GOOD: LazyLock<String> = LazyLock::new(|| {
    let token = TOKENS.issue(UserId::generate(), 0).unwrap();
    token.text.expose().to_owned()
});

/// The characters of a token, and some that are none.
fn letter() -> impl Strategy<Value = char> {
    prop_oneof![8 => prop::char::range('A', 'z'), 1 => Just('.'), 1 => any::<char>()]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn no_other_text_verifies(text in ".{0,400}") {
        prop_assert!(TOKENS.verify(&text).is_err());
    }

    #[test]
    fn no_other_triple_verifies(parts in prop::collection::vec("[A-Za-z0-9_-]{0,120}", 3)) {
        prop_assert!(TOKENS.verify(&parts.join(".")).is_err());
    }

    #[test]
    fn no_replaced_character_verifies(place in any::<prop::sample::Index>(), new in letter()) {
        let mut letters: Vec<char> = GOOD.chars().collect();
        let place = place.index(letters.len());
        let old = std::mem::replace(&mut letters[place], new);
        let changed: String = letters.into_iter().collect();
        prop_assert_eq!(TOKENS.verify(&changed).is_ok(), old == new, "{} at {}", new, place);
    }

    #[test]
    fn no_shortened_or_lengthened_token_verifies(
        from in any::<prop::sample::Index>(),
        length in 1usize..40,
        new in prop::collection::vec(letter(), 0..40),
    ) {
        let mut letters: Vec<char> = GOOD.chars().collect();
        let from = from.index(letters.len());
        let to = letters.len().min(from + length);
        letters.splice(from..to, new);
        let changed: String = letters.into_iter().collect();
        prop_assert_eq!(TOKENS.verify(&changed).is_ok(), changed == *GOOD);
    }

    /// Behind a good signature too, only complete claims are read.
    #[test]
    fn no_signed_rubbish_verifies(header in ".{0,60}", claims in ".{0,200}") {
        prop_assert!(TOKENS.verify(&forge(&KEYS, &header, &claims)).is_err());
        let signed = forge(&KEYS, r#"{"alg":"HS256"}"#, &claims);
        prop_assert_eq!(TOKENS.verify(&signed), Err(TokenError::Malformed));
    }

    /// Any dates: what is accepted is within every bound.
    #[test]
    fn accepted_dates_are_within_the_bounds(
        iat in near_now(), nbf in near_now(), exp in near_now(),
    ) {
        let claims = format!(
            r#"{{"iss":"confab","aud":"confab","sub":"{}","iat":{iat},"nbf":{nbf},"exp":{exp}}}"#,
            UserId::from_u128(7),
        );
        let found = TOKENS.verify(&forge(&KEYS, r#"{"alg":"HS256"}"#, &claims));
        let within = iat <= NOW + 30
            && nbf <= NOW + 30
            && exp > iat
            && exp - iat <= 30 * 86_400
            && exp + 30 > NOW;
        prop_assert_eq!(found.is_ok(), within, "{:?}", found);
    }
}

fn near_now() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => NOW - 60..NOW + 60,
        2 => NOW - 40 * 86_400..NOW + 40 * 86_400,
        1 => 0..253_402_300_799u64,
    ]
}
