//! Passwords: right, wrong, unknown, outdated, damaged, and too many at once.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use super::*;

fn runs(passwords: &Passwords) -> Vec<u32> {
    let runs = passwords.runs.lock().unwrap();
    runs.iter().map(argon2::Params::m_cost).collect()
}

#[tokio::test]
async fn the_right_password_verifies_and_no_other() {
    let passwords = Passwords::new(&quick()).unwrap();
    let hash = passwords.hash(secret("pässword 1")).await.unwrap();
    assert!(hash.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{hash}");
    let fields: Vec<&str> = hash.split('$').collect();
    assert_eq!((fields[4].len(), fields[5].len()), (22, 43));
    let again = passwords.hash(secret("pässword 1")).await.unwrap();
    assert_ne!(hash, again, "the salt must be fresh");

    let stored: Arc<str> = hash.into();
    for (text, expected) in [
        ("pässword 1", Verified::Yes),
        ("pässword 2", Verified::No),
        ("Pässword 1", Verified::No),
        ("pa\u{308}ssword 1", Verified::No),
        (" pässword 1", Verified::No),
        ("pässword 1\0", Verified::No),
        ("", Verified::No),
    ] {
        let found = passwords.verify(secret(text), Some(Arc::clone(&stored))).await;
        assert_eq!(found, Ok(expected), "{text:?}");
    }
    let long = secret(&"x".repeat(100_000));
    assert_eq!(passwords.verify(long, Some(stored)).await, Ok(Verified::No));
}

#[test]
fn a_new_password_has_a_length() {
    let passwords = Passwords::new(&quick()).unwrap();
    for (text, expected) in [
        (String::new(), Err(PasswordProblem::TooShort(8))),
        ("1234567".into(), Err(PasswordProblem::TooShort(8))),
        ("ü".repeat(7), Err(PasswordProblem::TooShort(8))),
        ("12345678".into(), Ok(())),
        ("ü".repeat(8), Ok(())),
        ("a\0\n\u{202e}    ".into(), Ok(())),
        ("x".repeat(1024), Ok(())),
        ("x".repeat(1025), Err(PasswordProblem::TooLong)),
        ("ü".repeat(513), Err(PasswordProblem::TooLong)),
    ] {
        assert_eq!(passwords.check_new(&secret(&text)), expected, "{text:.20}");
    }
}

#[tokio::test]
async fn an_unknown_user_costs_what_a_wrong_password_costs() {
    let passwords = Passwords::new(&quick()).unwrap();
    let stored: Arc<str> = passwords.hash(secret("password")).await.unwrap().into();
    passwords.runs.lock().unwrap().clear();

    for stored in [Some(stored), None, Some("damaged".into())] {
        let found = passwords.verify(secret("wrong"), stored).await;
        assert_eq!(found, Ok(Verified::No));
    }
    let runs = passwords.runs.lock().unwrap();
    assert_eq!(runs.len(), 3, "one hash each");
    assert!(runs.iter().all(|params| *params == runs[0]), "{runs:?}");
}

#[tokio::test]
async fn other_parameters_verify_and_ask_for_a_new_hash() {
    let passwords = Passwords::new(&quick()).unwrap();
    let mut others = Vec::new();
    for (memory, iterations, lanes) in [(128, 1, 1), (64, 2, 1), (64, 1, 2), (32, 1, 1)] {
        let old = Passwords::new(&Auth {
            argon2_memory: ByteSize::kib(memory),
            argon2_iterations: iterations,
            argon2_parallelism: lanes,
            ..quick()
        });
        others.push(old.unwrap().hash(secret("password")).await.unwrap());
    }
    others.extend(KNOWN.map(str::to_owned));
    for stored in others {
        let stored: Arc<str> = stored.into();
        let right = passwords.verify(secret("password"), Some(Arc::clone(&stored))).await;
        assert_eq!(right, Ok(Verified::YesRehash), "{stored}");
        let wrong = passwords.verify(secret("passwort"), Some(Arc::clone(&stored))).await;
        assert_eq!(wrong, Ok(Verified::No), "{stored}");
    }
    assert!(runs(&passwords).contains(&128), "an old hash is computed as it was made");
}

/// Known answers of argon2i and argon2id: the "password"/"somesalt" vectors of the reference
/// implementation.
const KNOWN: [&str; 2] = [
    "$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$iekCn0Y3spW+sCcFanM2xBT63UP2sghkUoHLIUpWRS8",
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
];

#[tokio::test]
async fn another_algorithm_asks_for_a_new_hash() {
    let auth = Auth { argon2_memory: ByteSize::kib(256), argon2_iterations: 2, ..quick() };
    let passwords = Passwords::new(&auth).unwrap();
    for (stored, expected) in KNOWN.into_iter().zip([Verified::YesRehash, Verified::Yes]) {
        let found = passwords.verify(secret("password"), Some(stored.into())).await;
        assert_eq!(found, Ok(expected), "{stored}");
    }
}

#[tokio::test]
async fn a_damaged_or_absurd_hash_is_no_and_costs_nothing_of_its_own() {
    let passwords = Passwords::new(&quick()).unwrap();
    let tail = "c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
    let damaged = [
        String::new(),
        "password".into(),
        "$".into(),
        "$argon2id".into(),
        "$argon2id$v=19$m=64,t=1,p=1".into(),
        "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ".into(),
        format!("$bcrypt$v=19$m=64,t=1,p=1${tail}"),
        format!("$argon2id$v=18$m=64,t=1,p=1${tail}"),
        format!("$argon2id$v=19$m=1048577,t=1,p=1${tail}"),
        format!("$argon2id$v=19$m=4294967295,t=1,p=1${tail}"),
        format!("$argon2id$v=19$m=64,t=101,p=1${tail}"),
        format!("$argon2id$v=19$m=256,t=1,p=17${tail}"),
        format!("$argon2id$v=19$m=8,t=1,p=16${tail}"),
        format!("$argon2id$v=19$m=0,t=0,p=0${tail}"),
        format!("$argon2id$v=19$m=99999999999999,t=1,p=1${tail}"),
        format!("$argon2id$v=19$m=64,t=1,p=1,x=2${tail}"),
        format!("$argon2id$v=19$m=64,t=1,p=1${tail}$more"),
        format!("$argon2id$v=19$m=64,t=1,p=1${tail}é"),
        format!("$argon2id$v=19$m=64,t=1,p=1${}", "A".repeat(10_000)),
        "$".repeat(10_000),
    ];
    for stored in &damaged {
        let found = passwords.verify(secret("password"), Some(stored.as_str().into())).await;
        assert_eq!(found, Ok(Verified::No), "{stored:.80}");
    }
    let runs = passwords.runs.lock().unwrap();
    assert_eq!(runs.len(), damaged.len());
    let current = |run: &argon2::Params| (run.m_cost(), run.t_cost(), run.p_cost()) == (64, 1, 1);
    assert!(runs.iter().all(current), "{runs:?}");
}

#[test]
fn parameters_that_argon2_does_not_know_are_an_error() {
    let auth = Auth { argon2_memory: ByteSize::kib(8), argon2_parallelism: 2, ..quick() };
    assert!(matches!(Passwords::new(&auth), Err(HashError::Failed(_))));
}

/// Places are counted without a hash: the one turn is held by the test.
#[tokio::test]
async fn one_more_than_the_queue_holds_is_refused_at_once() {
    let auth = Auth { hash_concurrency: 1, hash_queue: 2, ..quick() };
    let passwords = Passwords::new(&auth).unwrap();
    let turn = passwords.turns().acquire_owned().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..3 {
        let mut call = Box::pin(passwords.verify(secret("password"), None));
        assert!(std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
        waiting.push(call);
    }
    let mut one_more = pin!(passwords.hash(secret("password")));
    let refused = std::future::poll_fn(|cx| Poll::Ready(one_more.as_mut().poll(cx))).await;
    assert_eq!(refused, Poll::Ready(Err(HashError::Overloaded)));
    assert_eq!(runs(&passwords), Vec::<u32>::new());

    // One who goes away makes room; the others get their turn.
    drop(waiting.pop());
    waiting.push(Box::pin(passwords.verify(secret("password"), None)));
    drop(turn);
    for call in waiting {
        assert_eq!(call.await, Ok(Verified::No));
    }
    assert_eq!(runs(&passwords).len(), 3);
}

#[tokio::test]
async fn a_caller_who_goes_away_does_not_free_the_turn_of_running_work() {
    let auth = Auth { hash_concurrency: 1, hash_queue: 0, ..quick() };
    let passwords = Passwords::new(&auth).unwrap();
    let (finish, finished) = std::sync::mpsc::channel::<()>();
    let argon2 = argon2::Argon2::from(passwords.params());
    let mut call = Box::pin(passwords.in_turn(argon2, move |_, _| finished.recv()));
    assert!(std::future::poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    drop(call);
    let refused = passwords.verify(secret("password"), None).await;
    assert_eq!(refused, Err(HashError::Overloaded));

    finish.send(()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while passwords.verify(secret("password"), None).await == Err(HashError::Overloaded) {
        assert!(Instant::now() < deadline, "the turn never came back");
        tokio::task::yield_now().await;
    }
}
