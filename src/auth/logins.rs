//! What follows a login: the next token, and its end.

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
                // The login is over, whether the others can be told or not.
                let ended = self.told_of_end(user, login).await.unwrap_or_default();
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
        Ok(self.told_of_end(login.user, login.id).await?)
    }

    /// Has every node look after the user's sessions.
    async fn told_of_end(
        &self,
        user: UserId,
        login: LoginId,
    ) -> Result<Option<EndedLogin>, StoreError> {
        let account = self.store.change_account(user, AccountChange::LoginEnded).await?;
        Ok(account.map(|account| EndedLogin { account, login }))
    }
}

fn unavailable(error: StoreError) -> (AuthError, Option<EndedLogin>) {
    (error.into(), None)
}
