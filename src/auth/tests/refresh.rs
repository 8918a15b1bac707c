//! Refresh tokens: used once, and what a second use means.

use std::sync::atomic::{AtomicI64, Ordering};

use confab_plugin::{Duration, UserId};

use super::{store::AccountsOnly, *};

const SECOND: i64 = 1000;

struct World {
    store: Arc<AccountsOnly>,
    now: Arc<AtomicI64>,
    refresh: RefreshTokens,
}

impl World {
    fn new(grace: u64) -> Self {
        let auth = Auth {
            refresh_lifetime: Duration::from_secs(7200),
            token_lifetime: Duration::from_secs(60),
            refresh_grace: Duration::from_secs(grace),
            ..quick()
        };
        Self::with(&auth)
    }

    fn with(auth: &Auth) -> Self {
        let (store, now) = (Arc::new(AccountsOnly::default()), Arc::new(AtomicI64::new(1)));
        let clock: Clock = {
            let now = Arc::clone(&now);
            Arc::new(move || Timestamp(now.load(Ordering::SeqCst)))
        };
        let refresh = RefreshTokens::with_clock(Arc::clone(&store) as _, auth, clock);
        Self { store, now, refresh }
    }

    fn pass(&self, millis: i64) {
        self.now.fetch_add(millis, Ordering::SeqCst);
    }

    async fn begin(&self) -> String {
        let (_, token) = self.refresh.begin(UserId::from_u128(5), 2).await.unwrap().unwrap();
        token.text.expose().to_owned()
    }

    async fn next(&self, token: &str) -> Result<String, RefreshError> {
        self.refresh.renew(token).await.map(|renewed| renewed.token.text.expose().to_owned())
    }
}

fn is_reused<T>(result: &Result<T, RefreshError>) -> bool {
    matches!(result, Err(RefreshError::Reused { .. }))
}

#[tokio::test]
async fn each_token_is_used_once_for_the_next() {
    let world = World::new(0);
    let mut seen = vec![world.begin().await];
    for _ in 0..20 {
        let next = world.next(seen.last().unwrap()).await.unwrap();
        assert!(!seen.contains(&next));
        assert_eq!((next.len(), &next[..4]), (90, "crt_"));
        seen.push(next);
    }
    let renewed = world.refresh.renew(seen.last().unwrap()).await.unwrap();
    assert_eq!((renewed.login.user, renewed.login.epoch), (UserId::from_u128(5), 2));
    assert_eq!(renewed.token.expires_in, 7200);
    // The oldest of all is known, though the store keeps no list.
    assert!(is_reused(&world.next(&seen[0]).await));
    let last = renewed.token.text.expose();
    assert_eq!(world.next(last).await, Err(RefreshError::Refused), "the login is over");
    assert!(world.store.logins.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_lost_answer_is_given_again_for_a_moment() {
    let world = World::new(30);
    let first = world.begin().await;
    let second = world.next(&first).await.unwrap();
    world.pass(29 * SECOND);
    assert_eq!(world.next(&first).await.as_ref(), Ok(&second));
    world.pass(SECOND);
    assert_eq!(world.next(&first).await.as_ref(), Ok(&second), "the same, as often as one asks");
    let third = world.next(&second).await.unwrap();
    assert!(is_reused(&world.next(&first).await), "its successor was used");
    assert_eq!(world.next(&third).await, Err(RefreshError::Refused));

    let first = world.begin().await;
    let second = world.next(&first).await.unwrap();
    world.pass(30 * SECOND + 1);
    assert!(is_reused(&world.next(&first).await), "too late");
    assert_eq!(world.next(&second).await, Err(RefreshError::Refused));
}

#[tokio::test]
async fn invented_tokens_end_nothing() {
    let world = World::new(0);
    let token = world.begin().await;
    let bytes = URL_SAFE_NO_PAD.decode(&token[4..]).unwrap();
    let mut texts = vec![
        String::new(),
        "crt_".into(),
        token[4..].to_owned(),
        token.replace("crt_", "CRT_"),
        format!("{token}A"),
        token[..token.len() - 2].to_owned(),
        format!("{token}="),
        format!("crt_{}", "A".repeat(86)),
        "x".repeat(100_000),
    ];
    // Whoever knows the login's id, from a token's `sid`, knows no half of a refresh token.
    let id = world.refresh.login(&token).await.unwrap().unwrap().id;
    let mut guess = bytes.clone();
    guess[..16].copy_from_slice(&id.0.to_be_bytes());
    texts.push(format!("crt_{}", URL_SAFE_NO_PAD.encode(guess)));
    for text in texts {
        assert_eq!(world.next(&text).await, Err(RefreshError::Refused), "{text:.100}");
    }
    assert!(world.next(&token).await.is_ok());
    // The first half with an invented second one: nobody has that who never had a token.
    let mut stolen = bytes;
    stolen[40] ^= 1;
    assert!(is_reused(&world.next(&format!("crt_{}", URL_SAFE_NO_PAD.encode(stolen))).await));
}

#[tokio::test]
async fn an_unused_login_expires_and_a_used_one_goes_on() {
    let world = World::new(0);
    let mut token = world.begin().await;
    for _ in 0..5 {
        world.pass(7199 * SECOND);
        token = world.next(&token).await.unwrap();
    }
    world.pass(7200 * SECOND);
    assert_eq!(world.next(&token).await, Err(RefreshError::Refused));
}

#[tokio::test]
async fn the_store_has_no_token_and_its_failure_uses_none() {
    let world = World::new(0);
    let token = world.begin().await;
    let second = world.next(&token).await.unwrap();
    let kept = format!("{:?}", world.store.logins.lock().unwrap());
    for text in [&token, &second] {
        let bytes = URL_SAFE_NO_PAD.decode(&text[4..]).unwrap();
        for half in bytes.chunks(32) {
            assert!(!kept.contains(&format!("{half:?}")), "{kept}");
        }
    }
    world.store.down.store(true, Ordering::SeqCst);
    assert!(matches!(world.next(&second).await, Err(RefreshError::Unavailable(_))));
    world.store.down.store(false, Ordering::SeqCst);
    assert!(world.next(&second).await.is_ok());
}

#[tokio::test]
async fn without_a_lifetime_there_are_none_and_it_is_never_less_than_a_tokens() {
    let auth = |refresh| Auth { refresh_lifetime: Duration::from_secs(refresh), ..quick() };
    let none = World::with(&auth(0));
    assert_eq!(none.refresh.begin(UserId::from_u128(5), 0).await, Ok(None));
    let short = World::with(&auth(1));
    let (_, token) = short.refresh.begin(UserId::from_u128(5), 0).await.unwrap().unwrap();
    assert_eq!(token.expires_in, 86_400);
}
