//! Logins that can be refreshed.

use std::sync::Arc;

use confab::store::{LoginId, RefreshableLogin, Store, UsedToken};

use super::{Backend, at, fresh, user};

/// A login of this user, which is good for so many milliseconds after noon.
fn login(id: u128, of: u128, millis: i64) -> RefreshableLogin {
    RefreshableLogin {
        id: LoginId(id),
        user: user(of),
        epoch: 3,
        token: [id.to_be_bytes()[15]; 32],
        used: None,
        expires: at(millis),
    }
}

/// The login after its token was used for `next`.
fn renewed(before: &RefreshableLogin, next: u8, millis: i64) -> RefreshableLogin {
    let used = UsedToken { token: before.token, at: at(millis), salt: [next ^ 0xff; 32] };
    RefreshableLogin { token: [next; 32], used: Some(used), expires: at(millis), ..before.clone() }
}

async fn ids(store: &dyn Store, of: u128) -> Vec<u128> {
    store.logins(user(of)).await.unwrap().into_iter().map(|id| id.0).collect()
}

pub async fn a_login_is_kept_renewed_and_ended<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let first = login(u128::MAX - 1, 1, 1000);
    assert_eq!(store.login(first.id).await.unwrap(), None);
    store.create_login(first.clone(), 9).await.unwrap();
    assert_eq!(store.login(first.id).await.unwrap(), Some(first.clone()));

    let second = renewed(&first, 7, 2000);
    assert!(store.renew_login(first.token, second.clone()).await.unwrap());
    assert!(!store.renew_login(first.token, renewed(&first, 8, 3000)).await.unwrap(), "used");
    let third = renewed(&second, 9, 4000);
    assert!(store.renew_login(second.token, third.clone()).await.unwrap());
    store.close().await;
    let store = space.open().await;
    assert_eq!(store.login(first.id).await.unwrap(), Some(third.clone()));

    assert!(store.end_login(first.id).await.unwrap());
    assert!(!store.end_login(first.id).await.unwrap());
    assert!(!store.renew_login(third.token, renewed(&third, 1, 5000)).await.unwrap(), "ended");
    assert_eq!(store.login(first.id).await.unwrap(), None);
}

pub async fn of_racing_renewals_one_wins<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let first = login(1, 1, 1000);
    store.create_login(first.clone(), 9).await.unwrap();
    let racers: Vec<_> = (10..26)
        .map(|next| {
            let (store, first) = (Arc::clone(&store), first.clone());
            tokio::spawn(async move {
                let renewed = renewed(&first, next, 2000);
                (store.renew_login(first.token, renewed).await.unwrap(), next)
            })
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        let (won, next) = racer.await.unwrap();
        winners.extend(won.then_some(next));
    }
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(store.login(first.id).await.unwrap().unwrap().token, [winners[0]; 32]);
}

pub async fn a_user_has_so_many_logins<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    for (id, millis) in [(1, 100), (2, 300), (3, 200)] {
        store.create_login(login(id, 1, millis), 3).await.unwrap();
    }
    store.create_login(login(9, 2, 1), 3).await.unwrap();
    assert_eq!(ids(&*store, 1).await, [2, 3, 1]);
    store.create_login(login(4, 1, 400), 3).await.unwrap();
    assert_eq!(ids(&*store, 1).await, [4, 2, 3], "that which was not used for longest is over");
    // The new one stays, even where it is not the one with the longest time.
    store.create_login(login(5, 1, 50), 2).await.unwrap();
    assert_eq!(ids(&*store, 1).await, [4, 5]);
    assert_eq!(ids(&*store, 2).await, [9], "another user's are left alone");
    assert_eq!(ids(&*store, 3).await, []);
}

pub async fn expired_logins_are_removed_in_steps<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    for id in 1..=7 {
        let millis = i64::try_from(id).unwrap() * 100;
        store.create_login(login(id, id % 2, millis), 99).await.unwrap();
    }
    let removed = async |millis, most| store.remove_expired_logins(at(millis), most).await.unwrap();
    assert_eq!(removed(99, 10).await, 0);
    assert_eq!(removed(500, 3).await, 3);
    assert_eq!(removed(500, 3).await, 2, "also that which ends just now");
    assert_eq!(removed(500, 3).await, 0);
    assert_eq!((ids(&*store, 0).await, ids(&*store, 1).await), (vec![6], vec![7]));
}
