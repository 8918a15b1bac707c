//! Who may come in and stay: checks tokens against their accounts, and ends the sessions of those
//! whose accounts were changed, whichever process changed them.
//!
//! Each process asks the store, every `auth.account_poll`, for the accounts that were changed
//! since it asked last. That is one read by an index, and needs no bus and no address: a change
//! by `confab user` beside the daemon, or by a node that Redis does not reach, is learnt like any
//! other; and after an outage of the store, the next answer has all that was missed. What this
//! process changes itself it knows at once.

use std::{sync::Arc, time::Duration};

use confab_plugin::UserId;

use crate::{
    code::{Code, Refusal},
    directory::{Directory, Profile},
    dispatch::report,
    hub::Hub,
    store::{Account, Barred, Store, StoreError},
};

/// Accounts learnt of at once.
const PAGE: usize = 500;

/// Checks who comes in, and ends the sessions of those who may not stay.
///
/// Invariant: a session is in the hub before its account is looked at for the last time, and an
/// account is known to have changed before the hub's sessions are looked at: so of a session and
/// an ending at the same time, one sees the other.
pub struct Admission {
    store: Arc<dyn Store>,
    directory: Arc<Directory>,
    hub: Arc<Hub>,
    every: Duration,
}

impl Admission {
    /// Over these parts; asks the store every `every` once it [watches](Self::watch).
    pub fn new(
        store: Arc<dyn Store>,
        directory: Arc<Directory>,
        hub: Arc<Hub>,
        every: Duration,
    ) -> Self {
        Self { store, directory, hub, every }
    }

    /// Who is who.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// The user whose token is of this epoch. Costs no read of the store for a user who is
    /// remembered, unless the token is refused: what is remembered may be older than the token.
    ///
    /// # Errors
    /// `session_ended`, `account_disabled`; `bad_token` when there is no such user; `unavailable`.
    pub async fn admit(&self, user: UserId, epoch: u64) -> Result<Arc<Profile>, Refusal> {
        let known = self.directory.by_id(user).await.map_err(unavailable)?;
        if let Some(profile) = known
            && profile.standing.admits(epoch).is_ok()
        {
            return Ok(profile);
        }
        let Some(profile) = self.directory.read(user).await.map_err(unavailable)? else {
            return Err(Refusal::new(Code::BadToken, "The token's user is gone."));
        };
        match profile.standing.admits(epoch) {
            Ok(()) => Ok(profile),
            Err(barred) => Err(refusal(barred)),
        }
    }

    /// Takes up a change that this process has made.
    pub fn learn(&self, account: &Account) {
        self.learn_all(std::slice::from_ref(account));
    }

    fn learn_all(&self, accounts: &[Account]) {
        self.directory.learn(accounts);
        for account in accounts {
            self.hub.end(account.id, &account.standing);
        }
    }

    /// Learns of the changes that others make. Runs for ever.
    pub async fn watch(&self) {
        let mut seen = None;
        loop {
            match self.look(seen).await {
                Ok(place) => seen = Some(place),
                Err(error) => report("account_changes", &error),
            }
            tokio::time::sleep(self.every).await;
        }
    }

    /// Takes up what was changed since `seen`; says up to where that is.
    async fn look(&self, seen: Option<u64>) -> Result<u64, StoreError> {
        let Some(mut seen) = seen else { return self.begin().await };
        loop {
            let changed = self.store.account_changes(seen, PAGE).await?;
            self.learn_all(&changed);
            match changed.last() {
                Some(last) => seen = last.standing.change,
                None => return Ok(seen),
            }
        }
    }

    /// Finds out where to read on from. Somebody may have come in before.
    async fn begin(&self) -> Result<u64, StoreError> {
        let place = self.store.last_account_change().await?;
        self.directory.forget();
        for user in self.hub.users() {
            if let Some(profile) = self.directory.by_id(user).await? {
                self.hub.end(user, &profile.standing);
            }
        }
        Ok(place)
    }
}

/// What somebody is told who may not come in.
pub fn refusal(barred: Barred) -> Refusal {
    match barred {
        Barred::Disabled => Refusal::new(Code::AccountDisabled, "This account is disabled."),
        Barred::Ended => {
            Refusal::new(Code::SessionEnded, "Your sessions were ended: log in again.")
        }
    }
}

fn unavailable(error: StoreError) -> Refusal {
    report("find_account", &error);
    error.into()
}
