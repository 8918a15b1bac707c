//! What follows a login: the next token, and its end.

use std::{sync::Arc, time::Duration};

use crate::{
    config::Secret,
    store::{Account, AccountChange, LoginId, StoreError},
};

use confab_plugin::UserId;

use super::{
    accounts::{Accounts, AuthError, count},
    refresh::RefreshError,
    token::Token,
};

/// How often the nodes are told that a login is over while the store is away: for half an hour.
const TELL_ATTEMPTS: u32 = 360;

/// The pause after each of those attempts.
const TELL_PAUSE: Duration = Duration::from_secs(5);

/// A login that was ended, and its account: the sessions of it are to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndedLogin {
    /// The account. Others learn of the end by its change.
    pub account: Account,
    /// The login.
    pub login: LoginId,
}

impl Accounts {
    /// A new token, and the next refresh token, for one that was not used yet.
    ///
    /// # Errors
    /// [`AuthError::BadRefreshToken`]; with it, what is to be told to the sessions here when the
    /// token was used before and its login is ended. [`AuthError::Unavailable`].
    pub async fn refresh(
        &self,
        text: &Secret,
    ) -> Result<(Account, Token), (AuthError, Option<EndedLogin>)> {
        let result = self.try_refresh(text).await;
        match &result {
            Err((_, Some(_))) => {
                metrics::counter!(super::REUSED).increment(1);
                count("refresh", &Err::<(), _>(AuthError::BadRefreshToken));
            }
            Err((error, None)) => count("refresh", &Err::<(), _>(error.clone())),
            Ok(_) => count("refresh", &Ok::<_, AuthError>(())),
        }
        result
    }

    /// Ends the login of a refresh token, used or not; `None` when it is over already.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`].
    pub async fn log_out(&self, text: &Secret) -> Result<Option<EndedLogin>, AuthError> {
        let result = self.try_log_out(text).await;
        count("logout", &result);
        result
    }

    async fn try_refresh(
        &self,
        text: &Secret,
    ) -> Result<(Account, Token), (AuthError, Option<EndedLogin>)> {
        let refused = || (AuthError::BadRefreshToken, None);
        let renewed = match self.refresh.renew(text.expose()).await {
            Ok(renewed) => renewed,
            Err(RefreshError::Refused) => return Err(refused()),
            Err(RefreshError::Unavailable(why)) => {
                return Err((AuthError::Unavailable(why), None));
            }
            Err(RefreshError::Reused { user, login }) => {
                tracing::warn!(%user, %login, "a refresh token was used again: its login is ended");
                let ended = self.told_of_end(user, login).await;
                return Err((AuthError::BadRefreshToken, ended));
            }
        };
        let login = renewed.login;
        let account = self.store.account_by_id(login.user).await.map_err(unavailable)?;
        let account = account.ok_or_else(refused)?;
        if account.standing.admits(login.epoch).is_err() {
            self.store.end_login(login.id).await.map_err(unavailable)?;
            return Err(refused());
        }
        let signed = self.sign(account.id, login.epoch, Some(login.id)).await;
        let token = signed.map_err(|error| (error, None))?;
        Ok((account, Token { refresh: Some(renewed.token), ..token }))
    }

    async fn try_log_out(&self, text: &Secret) -> Result<Option<EndedLogin>, AuthError> {
        let Some(login) = self.refresh.login(text.expose()).await? else { return Ok(None) };
        if !self.store.end_login(login.id).await? {
            return Ok(None);
        }
        Ok(self.told_of_end(login.user, login.id).await)
    }

    /// Has every node look after the user's sessions. A login that is over is not found again, so
    /// this goes on by itself when the store is away for a while, or the caller is.
    async fn told_of_end(&self, user: UserId, login: LoginId) -> Option<EndedLogin> {
        let store = Arc::clone(&self.store);
        let told = tokio::spawn(async move {
            for attempt in 1..=TELL_ATTEMPTS {
                match store.change_account(user, AccountChange::LoginEnded).await {
                    Ok(account) => return account,
                    Err(error) => {
                        tracing::warn!(%user, %login, attempt, %error, "no node could be told of a login's end");
                    }
                }
                tokio::time::sleep(TELL_PAUSE).await;
            }
            None
        });
        let account = told.await.ok().flatten()?;
        Some(EndedLogin { account, login })
    }
}

fn unavailable(error: StoreError) -> (AuthError, Option<EndedLogin>) {
    (error.into(), None)
}
