//! Registration and login as a whole, over a store in memory.

use std::sync::{Arc, atomic::Ordering};

use confab_plugin::Username;
use metrics_exporter_prometheus::PrometheusBuilder;

use super::{store::AccountsOnly, *};
use crate::store::Account;

fn accounts(store: &Arc<AccountsOnly>, auth: &Auth) -> Accounts {
    let store: Arc<dyn crate::store::Store> = Arc::<AccountsOnly>::clone(store);
    let refresh = RefreshTokens::with_clock(Arc::clone(&store) as _, auth, at(NOW));
    Accounts::new(store, Passwords::new(auth).unwrap(), Arc::new(tokens(auth)), refresh)
}

fn name(text: &str) -> Username {
    text.parse().unwrap()
}

fn stored(store: &AccountsOnly, text: &str) -> Account {
    store.accounts.lock().unwrap()[&name(text)].clone()
}

#[tokio::test]
async fn who_registers_can_log_in() {
    let store = Arc::new(AccountsOnly::default());
    let accounts = accounts(&store, &quick());
    let (ann, token) =
        accounts.register(name("Ann"), secret("password"), Some("Ann B.".into())).await.unwrap();
    assert_eq!(ann, stored(&store, "ann"));
    assert_eq!(ann.display_name.as_deref(), Some("Ann B."));
    let claims = accounts.tokens().verify(token.text.expose()).unwrap();
    assert_eq!(claims.user, ann.id);

    let (again, token) = accounts.login(Some(name("ANN")), secret("password")).await.unwrap();
    assert_eq!(again, ann);
    let claims = accounts.tokens().verify(token.text.expose()).unwrap();
    assert_eq!(claims.user, ann.id);
    assert_eq!(accounts.hash_runs(), 2, "no hash anew when nothing changed");
}

#[tokio::test]
async fn a_refused_login_does_not_tell_why() {
    let store = Arc::new(AccountsOnly::default());
    let accounts = accounts(&store, &quick());
    accounts.register(name("ann"), secret("password"), None).await.unwrap();
    for who in [Some(name("ann")), Some(name("bob")), None] {
        let before = accounts.hash_runs();
        let refused = accounts.login(who.clone(), secret("passwort")).await;
        assert_eq!(refused, Err(AuthError::BadCredentials), "{who:?}");
        assert_eq!(accounts.hash_runs(), before + 1, "{who:?}");
    }
}

#[tokio::test]
async fn a_refused_registration_costs_no_hash() {
    let store = Arc::new(AccountsOnly::default());
    let accounts = accounts(&store, &quick());
    accounts.register(name("ann"), secret("password"), None).await.unwrap();
    let ann = stored(&store, "ann");

    let taken = accounts.register(name("Ann"), secret("another password"), None).await;
    assert_eq!(taken, Err(AuthError::UsernameTaken));
    let short = accounts.register(name("bob"), secret("short"), None).await;
    assert_eq!(short, Err(AuthError::Password(PasswordProblem::TooShort(8))));
    assert_eq!(accounts.hash_runs(), 1);

    // The slower of two finds the name free, and taken when it comes to store.
    store.blind.store(true, Ordering::SeqCst);
    let raced = accounts.register(name("ann"), secret("another password"), None).await;
    assert_eq!(raced, Err(AuthError::UsernameTaken));
    assert_eq!(stored(&store, "ann"), ann);
    assert_eq!(store.accounts.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn changed_parameters_are_taken_up_at_login() {
    let store = Arc::new(AccountsOnly::default());
    let before = accounts(&store, &quick());
    before.register(name("ann"), secret("password"), None).await.unwrap();
    let old = stored(&store, "ann").password_hash;

    let stronger = Auth { argon2_iterations: 2, ..quick() };
    let after = accounts(&store, &stronger);
    let wrong = after.login(Some(name("ann")), secret("passwort")).await;
    assert_eq!(wrong, Err(AuthError::BadCredentials));
    assert_eq!(stored(&store, "ann").password_hash, old);

    // A store that does not take it is no reason to refuse the login.
    store.read_only.store(true, Ordering::SeqCst);
    let (ann, _) = after.login(Some(name("ann")), secret("password")).await.unwrap();
    assert_eq!(ann.password_hash, old);
    store.read_only.store(false, Ordering::SeqCst);

    let (ann, _) = after.login(Some(name("ann")), secret("password")).await.unwrap();
    let new = stored(&store, "ann").password_hash;
    assert_eq!(ann.password_hash, new);
    assert!(new.contains("t=2") && old.contains("t=1"), "{old} {new}");

    let runs = after.hash_runs();
    let again = after.login(Some(name("ann")), secret("password")).await;
    assert_eq!(again.unwrap().0.password_hash, new);
    assert_eq!(after.hash_runs(), runs + 1);
}

#[tokio::test]
async fn a_store_that_is_down_is_not_a_wrong_password() {
    let store = Arc::new(AccountsOnly::default());
    let accounts = accounts(&store, &quick());
    store.down.store(true, Ordering::SeqCst);
    let login = accounts.login(Some(name("ann")), secret("password")).await.unwrap_err();
    let register = accounts.register(name("ann"), secret("password"), None).await.unwrap_err();
    for error in [login, register] {
        assert!(matches!(error, AuthError::Unavailable(_)), "{error:?}");
        assert!(!error.to_string().contains("for the test"), "{error}");
    }
    assert_eq!(accounts.hash_runs(), 0);
}

#[test]
fn every_attempt_is_counted() {
    let recorder = PrometheusBuilder::new().build_recorder();
    let handle = recorder.handle();
    metrics::with_local_recorder(&recorder, || {
        describe_metrics();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let store = Arc::new(AccountsOnly::default());
            let accounts = accounts(&store, &quick());
            let ann = || name("ann");
            let _ = accounts.register(ann(), secret("password"), None).await;
            let _ = accounts.register(ann(), secret("password"), None).await;
            let _ = accounts.register(name("bob"), secret("b"), None).await;
            let _ = accounts.login(Some(ann()), secret("password")).await;
            let _ = accounts.login(Some(ann()), secret("passwort")).await;
            let _ = accounts.login(None, secret("password")).await;
            store.down.store(true, Ordering::SeqCst);
            let _ = accounts.login(Some(ann()), secret("password")).await;
        });
    });
    let text = handle.render();
    for (call, result, count) in [
        ("register", "ok", 1),
        ("register", "username_taken", 1),
        ("register", "bad_password", 1),
        ("login", "ok", 1),
        ("login", "bad_credentials", 2),
        ("login", "unavailable", 1),
    ] {
        let line =
            format!("confab_auth_attempts_total{{call=\"{call}\",result=\"{result}\"}} {count}\n");
        assert!(text.contains(&line), "{line}{text}");
    }
    assert!(text.contains("confab_password_hash_duration_seconds_count 4\n"), "{text}");
    assert!(text.contains("# HELP confab_auth_attempts_total"), "{text}");
}
