//! Changes of accounts, and how other processes learn of them.

use std::sync::Arc;

use confab::store::{Account, AccountChange, Barred, Standing, Store};

use super::{Backend, account, at, fresh, user};

const HASH: &str = "$argon2id$another";

fn password(epoch: Option<u64>) -> AccountChange {
    AccountChange::Password { hash: HASH.into(), epoch }
}

async fn change(store: &dyn Store, number: u128, change: AccountChange) -> Option<Account> {
    let changed = store.change_account(user(number), change).await.unwrap();
    if let Some(changed) = &changed {
        assert_eq!(store.account_by_id(user(number)).await.unwrap().as_ref(), Some(changed));
    }
    changed
}

pub async fn each_change_is_kept<B: Backend>() {
    let (space, store) = fresh::<B>().await;
    let ann = Account { display_name: Some("Ann".into()), ..account(1) };
    store.create_account(ann.clone()).await.unwrap();
    let with = |epoch, disabled, change| Standing { epoch, disabled, deleted: None, change };

    let ended = change(&*store, 1, AccountChange::EndSessions).await.unwrap();
    assert_eq!(ended, Account { standing: with(1, None, 1), ..ann.clone() });
    let disabled = change(&*store, 1, AccountChange::Disable(at(3))).await.unwrap();
    assert_eq!(disabled.standing, with(2, Some(at(3)), 2));
    assert_eq!(disabled.standing.admits(2), Err(Barred::Disabled));
    let again = change(&*store, 1, AccountChange::Disable(at(9))).await.unwrap();
    assert_eq!(again, disabled, "it is disabled already");
    let enabled = change(&*store, 1, AccountChange::Enable).await.unwrap();
    assert_eq!(enabled.standing, with(2, None, 3));
    assert_eq!(enabled.standing.admits(2), Ok(()));
    assert_eq!(enabled.standing.admits(1), Err(Barred::Ended));
    assert_eq!(change(&*store, 1, AccountChange::Enable).await, Some(enabled.clone()));

    assert_eq!(change(&*store, 1, password(Some(1))).await, None, "another epoch");
    let changed = change(&*store, 1, password(Some(2))).await.unwrap();
    let expected = Account { password_hash: HASH.into(), standing: with(3, None, 4), ..ann };
    assert_eq!(changed, expected);
    let changed = change(&*store, 1, password(None)).await.unwrap();
    assert_eq!(changed.standing, with(4, None, 5));

    store.close().await;
    let store = space.open().await;
    assert_eq!(store.account_by_id(user(1)).await.unwrap(), Some(changed.clone()));
    assert_eq!(store.account_by_name(&changed.username).await.unwrap(), Some(changed));
    assert_eq!(change(&*store, 2, AccountChange::EndSessions).await, None, "nobody");
}

pub async fn a_deleted_account_keeps_its_name<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let ann = Account { display_name: Some("Ann".into()), ..account(1) };
    store.create_account(ann.clone()).await.unwrap();
    change(&*store, 1, AccountChange::Disable(at(1))).await.unwrap();
    let deleted = change(&*store, 1, AccountChange::Delete(at(2))).await.unwrap();
    let standing = Standing { epoch: 2, disabled: None, deleted: Some(at(2)), change: 2 };
    let password_hash = Account::DELETED.into();
    assert_eq!(deleted, Account { display_name: None, password_hash, standing, ..ann });
    assert_eq!(deleted.standing.admits(2), Err(Barred::Ended));
    for after in [AccountChange::Enable, password(None), AccountChange::Delete(at(3))] {
        assert_eq!(change(&*store, 1, after).await, None);
    }
    let other = Account { id: user(2), ..account(1) };
    store.create_account(other).await.unwrap_err();
}

pub async fn a_bot_is_left_alone<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    let bot = Account { password_hash: Account::BOT.into(), ..account(1) };
    store.create_account(bot.clone()).await.unwrap();
    for after in [AccountChange::EndSessions, password(None), AccountChange::Delete(at(1))] {
        assert_eq!(change(&*store, 1, after).await, None);
    }
    assert_eq!(store.account_by_id(user(1)).await.unwrap(), Some(bot));
}

pub async fn accounts_are_listed_by_name<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    for number in [3, 10, 2, 1] {
        store.create_account(account(number)).await.unwrap();
    }
    let mut found = Vec::new();
    loop {
        let after = found.last().map(|last: &Account| &last.username);
        let page = store.accounts(after, 2).await.unwrap();
        if page.is_empty() {
            break;
        }
        assert_eq!(page.len(), 2);
        found.extend(page);
    }
    assert_eq!(found, [1, 10, 2, 3].map(account));
    assert_eq!(store.accounts(None, 0).await.unwrap(), []);
}

pub async fn changes_are_found_in_their_order<B: Backend>() {
    let (_space, store) = fresh::<B>().await;
    assert_eq!(store.last_account_change().await, Ok(0));
    for number in 1..=3 {
        store.create_account(account(number)).await.unwrap();
    }
    assert_eq!(store.last_account_change().await, Ok(0), "a new account is no change");
    for number in [1, 2, 3, 1] {
        change(&*store, number, AccountChange::EndSessions).await.unwrap();
    }
    let changes = async |after, most| -> Vec<_> {
        let page = store.account_changes(after, most).await.unwrap();
        page.iter().map(|account| (account.id, account.standing.change)).collect()
    };
    assert_eq!(changes(0, 9).await, [(user(2), 2), (user(3), 3), (user(1), 4)]);
    assert_eq!(changes(0, 1).await, [(user(2), 2)]);
    assert_eq!(changes(3, 9).await, [(user(1), 4)]);
    assert_eq!(changes(4, 9).await, []);
    assert_eq!(store.last_account_change().await, Ok(4));
}

/// Many change many accounts while one reads on from where it was: it must learn of each.
pub async fn no_change_is_missed<B: Backend>() {
    const ACCOUNTS: u128 = 8;
    const CHANGES: u64 = 10;
    let (_space, store) = fresh::<B>().await;
    for number in 0..ACCOUNTS {
        store.create_account(account(number)).await.unwrap();
    }
    let writers: Vec<_> = (0..ACCOUNTS)
        .map(|number| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for _ in 0..CHANGES {
                    change_alone(&*store, number).await;
                }
            })
        })
        .collect();
    let (mut seen, mut position) = (std::collections::HashMap::new(), 0);
    while seen.values().sum::<u64>() < CHANGES * ACCOUNTS as u64 {
        for account in store.account_changes(position, 3).await.unwrap() {
            assert!(account.standing.change > position);
            position = account.standing.change;
            let before = seen.insert(account.id, account.standing.epoch).unwrap_or(0);
            assert!(account.standing.epoch > before);
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(position, store.last_account_change().await.unwrap());
    assert_eq!(position, CHANGES * ACCOUNTS as u64, "no place is left out or given twice");
}

async fn change_alone(store: &dyn Store, number: u128) {
    let change = store.change_account(user(number), AccountChange::EndSessions);
    assert!(change.await.unwrap().is_some());
}
