//! Accounts.

use confab::store::{Account, StoreError};

use super::{Backend, account, at, fresh, user};

pub async fn an_account_is_found<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = Account { display_name: Some("Ann 👩‍🚀 \u{202e}x".into()), ..account(1) };
    let bob = Account { created_at: at(5), ..account(2) };
    store.create_account(ann.clone()).await.unwrap();
    store.create_account(bob.clone()).await.unwrap();
    for wanted in [ann, bob] {
        assert_eq!(store.account_by_id(wanted.id).await.unwrap(), Some(wanted.clone()));
        assert_eq!(store.account_by_name(&wanted.username).await.unwrap(), Some(wanted));
    }
    assert_eq!(store.account_by_id(user(3)).await.unwrap(), None);
    assert_eq!(store.account_by_name(&"nobody".parse().unwrap()).await.unwrap(), None);
}

pub async fn a_name_is_given_once<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    store.create_account(account(1)).await.unwrap();
    let late = Account { id: user(2), ..account(1) };
    assert_eq!(store.create_account(late).await, Err(StoreError::UsernameTaken));
    let found = store.account_by_name(&account(1).username).await.unwrap().unwrap();
    assert_eq!(found.id, user(1));
    assert_eq!(store.account_by_id(user(2)).await.unwrap(), None);
}

pub async fn of_racing_creators_one_wins<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let racers: Vec<_> = (0..50)
        .map(|number| {
            let (store, racer) = (store.clone(), Account { id: user(number), ..account(1) });
            tokio::spawn(async move { (racer.id, store.create_account(racer).await) })
        })
        .collect();
    let mut winners = Vec::new();
    for racer in racers {
        match racer.await.unwrap() {
            (id, Ok(())) => winners.push(id),
            (_, Err(error)) => assert_eq!(error, StoreError::UsernameTaken),
        }
    }
    assert_eq!(winners.len(), 1);
    let found = store.account_by_name(&account(1).username).await.unwrap().unwrap();
    assert_eq!(found.id, winners[0]);
}

pub async fn a_password_is_replaced_if_it_is_the_old_one<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    store.create_account(account(1)).await.unwrap();
    assert!(!store.update_password(user(1), "wrong", "new").await.unwrap());
    assert!(!store.update_password(user(9), "$argon2id$hash", "new").await.unwrap());
    assert!(store.update_password(user(1), "$argon2id$hash", "new").await.unwrap());
    assert!(!store.update_password(user(1), "$argon2id$hash", "newer").await.unwrap());
    let found = store.account_by_id(user(1)).await.unwrap().unwrap();
    assert_eq!(found, Account { password_hash: "new".into(), ..account(1) });
}
