//! Registration and login: a name and a password against the store, answered with a token.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use confab_plugin::{UserId, Username};
use tracing::Instrument;

use crate::{
    config::Secret,
    rate::Seldom,
    store::{Account, AccountChange, LoginId, Standing, Store, StoreError, Timestamp},
};

use super::{
    password::{HashError, PasswordProblem, Passwords, Verified},
    refresh::RefreshTokens,
    token::{IssueError, Token, Tokens},
};

pub(super) const ATTEMPTS: &str = "confab_auth_attempts_total";

/// How often lasting trouble of the store is told in the log.
const TELL: Duration = Duration::from_secs(10);

static TROUBLE: Seldom = Seldom::new(TELL);

/// Registers and logs in.
pub struct Accounts {
    pub(super) store: Arc<dyn Store>,
    passwords: Passwords,
    tokens: Arc<Tokens>,
    pub(super) refresh: RefreshTokens,
}

/// Why somebody did not get a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuthError {
    /// Another account has this name.
    UsernameTaken,
    /// No such user, or not their password: which of them is not told.
    BadCredentials,
    /// The refresh token is none, was used before, or its time or its login is over.
    BadRefreshToken,
    /// The password is right, and the account disabled.
    Disabled,
    /// The new password is not acceptable.
    Password(PasswordProblem),
    /// Too many wait for a password hash; worth another try in a moment.
    Overloaded,
    /// The store or the machine cannot do it now. The text is for the operator's log, where it
    /// already is, never for a client.
    Unavailable(String),
}

impl AuthError {
    /// The words of [`reason`](Self::reason).
    pub const REASONS: [&'static str; 7] = [
        "username_taken",
        "bad_credentials",
        "bad_refresh_token",
        "account_disabled",
        "bad_password",
        "overloaded",
        "unavailable",
    ];

    /// A stable word for metrics and the log.
    pub const fn reason(&self) -> &'static str {
        match self {
            AuthError::UsernameTaken => "username_taken",
            AuthError::BadCredentials => "bad_credentials",
            AuthError::BadRefreshToken => "bad_refresh_token",
            AuthError::Disabled => "account_disabled",
            AuthError::Password(_) => "bad_password",
            AuthError::Overloaded => "overloaded",
            AuthError::Unavailable(_) => "unavailable",
        }
    }
}

/// A sentence for the client.
impl fmt::Display for AuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            AuthError::UsernameTaken => f.write_str("the username is taken"),
            AuthError::BadCredentials => f.write_str("the username or the password is wrong"),
            AuthError::BadRefreshToken => f.write_str("the refresh token is not good: log in"),
            AuthError::Disabled => f.write_str("the account is disabled"),
            AuthError::Password(problem) => problem.fmt(f),
            AuthError::Overloaded => f.write_str("too many logins at once; try again in a moment"),
            AuthError::Unavailable(_) => f.write_str("accounts are unavailable; try again later"),
        }
    }
}

impl std::error::Error for AuthError {}

impl From<StoreError> for AuthError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::UsernameTaken => AuthError::UsernameTaken,
            other => AuthError::Unavailable(other.to_string()),
        }
    }
}

impl From<HashError> for AuthError {
    fn from(error: HashError) -> Self {
        match error {
            HashError::Overloaded => AuthError::Overloaded,
            HashError::Failed(why) => AuthError::Unavailable(why),
        }
    }
}

impl From<IssueError> for AuthError {
    fn from(error: IssueError) -> Self {
        AuthError::Unavailable(error.to_string())
    }
}

impl Accounts {
    /// Over a store.
    pub fn new(
        store: Arc<dyn Store>,
        passwords: Passwords,
        tokens: Arc<Tokens>,
        refresh: RefreshTokens,
    ) -> Self {
        Self { store, passwords, tokens, refresh }
    }

    /// What verifies the tokens given out here.
    pub fn tokens(&self) -> &Arc<Tokens> {
        &self.tokens
    }

    /// Makes an account, durably, and a token for it. The caller has checked `display_name`.
    ///
    /// # Errors
    /// Every [`AuthError`] but [`AuthError::BadCredentials`] and [`AuthError::Disabled`]. A name that is taken is refused
    /// before a hash is computed.
    pub async fn register(
        &self,
        username: Username,
        password: Secret,
        display_name: Option<Arc<str>>,
    ) -> Result<(Account, Token), AuthError> {
        let result = self.try_register(username, password, display_name).await;
        count("register", &result);
        result
    }

    /// A token for the user with this name and password. `username` is `None` when the text
    /// given is no username: it costs the same work as an unknown one.
    ///
    /// # Errors
    /// [`AuthError::BadCredentials`], [`AuthError::Disabled`], [`AuthError::Overloaded`],
    /// [`AuthError::Unavailable`].
    pub async fn login(
        &self,
        username: Option<Username>,
        password: Secret,
    ) -> Result<(Account, Token), AuthError> {
        let result = self.try_login(username, password).await;
        count("login", &result);
        result
    }

    /// Gives a user who knows their password another one, and ends all their sessions: the
    /// account as it now is, and a token for it. The caller tells this to the sessions here.
    ///
    /// # Errors
    /// [`AuthError::BadCredentials`] also when the sessions were ended meanwhile; every other but
    /// [`AuthError::UsernameTaken`].
    pub async fn change_password(
        &self,
        user: UserId,
        current: Secret,
        new: Secret,
    ) -> Result<(Account, Token), AuthError> {
        let result = self.try_change_password(user, current, new).await;
        count("password", &result);
        result
    }

    /// Ends all sessions of a user, and with them their tokens: the account as it now is. The
    /// caller tells this to the sessions here.
    ///
    /// # Errors
    /// [`AuthError::Unavailable`]; [`AuthError::BadCredentials`] when the account is gone.
    pub async fn end_sessions(&self, user: UserId) -> Result<Account, AuthError> {
        let changed = self.store.change_account(user, AccountChange::EndSessions).await?;
        changed.ok_or(AuthError::BadCredentials)
    }

    /// How many hashes were computed.
    #[cfg(test)]
    pub(super) fn hash_runs(&self) -> usize {
        self.passwords.runs.lock().map_or(0, |runs| runs.len())
    }

    async fn try_register(
        &self,
        username: Username,
        password: Secret,
        display_name: Option<Arc<str>>,
    ) -> Result<(Account, Token), AuthError> {
        self.passwords.check_new(&password).map_err(AuthError::Password)?;
        if self.store.account_by_name(&username).await?.is_some() {
            return Err(AuthError::UsernameTaken);
        }
        let account = Account {
            id: UserId::generate(),
            username,
            display_name,
            password_hash: self.passwords.hash(password).await?.into(),
            created_at: Timestamp::now(),
            standing: Standing::default(),
        };
        self.store.create_account(account.clone()).await?;
        let token = self.issue(&account).await?;
        Ok((account, token))
    }

    async fn try_login(
        &self,
        username: Option<Username>,
        password: Secret,
    ) -> Result<(Account, Token), AuthError> {
        let account = match &username {
            Some(name) => self.store.account_by_name(name).await?,
            None => None,
        };
        let stored = account.as_ref().map(|account| Arc::clone(&account.password_hash));
        let span = tracing::info_span!("login", user = account.as_ref().map(|a| display(a.id)));
        let verified = self.passwords.verify(password.clone(), stored).instrument(span).await?;
        let mut account = match (account, verified) {
            (None, _) | (_, Verified::No) => return Err(AuthError::BadCredentials),
            (Some(account), Verified::Yes | Verified::YesRehash) => account,
        };
        if account.standing.disabled.is_some() {
            return Err(AuthError::Disabled);
        }
        if verified == Verified::YesRehash {
            self.rehash(&mut account, password).await;
        }
        let token = self.issue(&account).await?;
        Ok((account, token))
    }

    async fn try_change_password(
        &self,
        user: UserId,
        current: Secret,
        new: Secret,
    ) -> Result<(Account, Token), AuthError> {
        self.passwords.check_new(&new).map_err(AuthError::Password)?;
        let account = self.store.account_by_id(user).await?.ok_or(AuthError::BadCredentials)?;
        let stored = Some(Arc::clone(&account.password_hash));
        if self.passwords.verify(current, stored).await? == Verified::No {
            return Err(AuthError::BadCredentials);
        }
        let hash = self.passwords.hash(new).await?.into();
        let change = AccountChange::Password { hash, epoch: Some(account.standing.epoch) };
        let changed = self.store.change_account(user, change).await?;
        let account = changed.ok_or(AuthError::BadCredentials)?;
        if account.standing.disabled.is_some() {
            return Err(AuthError::Disabled);
        }
        let token = self.issue(&account).await?;
        Ok((account, token))
    }

    /// Begins a login. When the store can be read but not written, as on a full disk, without a
    /// refresh token: the user can chat, and asks for the password again later.
    async fn issue(&self, account: &Account) -> Result<Token, AuthError> {
        let (user, epoch) = (account.id, account.standing.epoch);
        let begun = self.refresh.begin(user, epoch).await.unwrap_or_else(|error| {
            if let Some(untold) = TROUBLE.due(Instant::now()) {
                tracing::warn!(%error, untold, "a login got no refresh token");
            }
            None
        });
        let (login, refresh) = begun.unzip();
        Ok(Token { refresh, ..self.sign(user, epoch, login).await? })
    }

    /// On the blocking pool, because RSA takes milliseconds.
    pub(super) async fn sign(
        &self,
        user: UserId,
        epoch: u64,
        login: Option<LoginId>,
    ) -> Result<Token, AuthError> {
        let tokens = Arc::clone(&self.tokens);
        let issued = tokio::task::spawn_blocking(move || tokens.issue(user, epoch, login)).await;
        Ok(issued.map_err(|why| AuthError::Unavailable(why.to_string()))??)
    }

    /// Takes up changed parameters. When that fails, the next login tries again.
    async fn rehash(&self, account: &mut Account, password: Secret) {
        let new = match self.passwords.hash(password).await {
            Ok(new) => new,
            Err(why) => {
                tracing::warn!(user = %account.id, %why, "a password was not hashed anew");
                return;
            }
        };
        let old = &account.password_hash;
        match self.store.update_password(account.id, old, &new).await {
            Ok(true) => account.password_hash = new.into(),
            Ok(false) => tracing::debug!(user = %account.id, "the password was changed meanwhile"),
            Err(why) => {
                tracing::warn!(user = %account.id, %why, "a password was not hashed anew");
            }
        }
    }
}

impl fmt::Debug for Accounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accounts")
            .field("passwords", &self.passwords)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}

pub(super) fn count<T>(call: &'static str, result: &Result<T, AuthError>) {
    let word = match result {
        Ok(_) => "ok",
        Err(error) => error.reason(),
    };
    if let Err(AuthError::Unavailable(why)) = result {
        tracing::error!(call, why, "an account call failed");
    }
    metrics::counter!(ATTEMPTS, "call" => call, "result" => word).increment(1);
}
