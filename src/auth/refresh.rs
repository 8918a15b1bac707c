//! Refresh tokens: each is used once, for an access token and the next refresh token.
//!
//! RFC 6749, section 6; rotation and the detection of a second use follow RFC 9700, section
//! 4.14.2. A token is `crt_` and 64 random bytes in base64url. The first half is the same in all
//! tokens of a login, and its hash names the login: so whoever brings a half that fits has, or
//! had, a token of it, and an old one is told from an invented one though the store keeps two
//! hashes and no list. The second half is new with each token.
//!
//! Invariant: the store never has a token, only SHA-256 of what has 256 random bits.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use confab_plugin::UserId;
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::{random, token::Clock};
use crate::{
    config::{self, Secret},
    store::{Hash, LoginId, RefreshableLogin, Store, StoreError, Timestamp, UsedToken},
};

/// By this, scanners find a token that was left somewhere.
const PREFIX: &str = "crt_";

/// Of several who use one token at once, one renews the login and the others find it renewed.
const ATTEMPTS: u32 = 8;

/// Before the next attempt, times the attempts so far: what another node has just written may not
/// be seen yet.
const PAUSE: Duration = Duration::from_millis(10);

/// Expired logins that are removed in one step.
const BATCH: usize = 1000;

/// How often they are looked for. Nothing hangs on it: an expired login is refused at once.
const TEND_EVERY: Duration = Duration::from_secs(600);

/// A refresh token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The token itself. Whoever has it can have the user's tokens.
    pub text: Secret,
    /// How long it is good, in seconds.
    pub expires_in: u64,
}

/// A login whose token was used.
#[derive(Clone, Debug)]
pub struct Renewed {
    /// The login as it now is.
    pub login: RefreshableLogin,
    /// The token to be used next.
    pub token: RefreshToken,
}

/// Why a refresh token is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RefreshError {
    /// It is none, its login is over, or its time is.
    Refused,
    /// It was used before: two have it, and one of them should not. The login is ended.
    Reused {
        /// Whose login it was.
        user: UserId,
        /// Which.
        login: LoginId,
    },
    /// The store or the machine cannot do it now.
    Unavailable(String),
}

impl From<StoreError> for RefreshError {
    fn from(error: StoreError) -> Self {
        RefreshError::Unavailable(error.to_string())
    }
}

/// Gives out refresh tokens, and takes them.
pub struct RefreshTokens {
    store: Arc<dyn Store>,
    lifetime: Duration,
    grace: Duration,
    most: usize,
    clock: Clock,
}

/// The two halves of a token.
struct Halves {
    login: Zeroizing<Hash>,
    token: Zeroizing<Hash>,
}

impl Halves {
    fn parse(text: &str) -> Option<Self> {
        let text = text.strip_prefix(PREFIX)?;
        let mut bytes = Zeroizing::new([0; 64]);
        // A text of another length does not decode to so many bytes.
        let length = URL_SAFE_NO_PAD.decode_slice(text, bytes.as_mut()).ok()?;
        let (login, token) = bytes.split_first_chunk::<32>().filter(|_| length == 64)?;
        Some(Self { login: Zeroizing::new(*login), token: Zeroizing::new(token.try_into().ok()?) })
    }

    fn write(login: &Hash, token: &Hash) -> Secret {
        let bytes = Zeroizing::new([login.as_slice(), token.as_slice()].concat());
        let mut text = PREFIX.to_owned();
        URL_SAFE_NO_PAD.encode_string(&*bytes, &mut text);
        text.into()
    }

    fn login(&self) -> LoginId {
        let hash = hash(&[&*self.login]);
        hash.first_chunk::<16>().map_or(LoginId(0), |id| LoginId(u128::from_be_bytes(*id)))
    }
}

fn hash(parts: &[&Hash]) -> Hash {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    hash.finalize().into()
}

/// The token after `token`: to be known to whoever has that one and the store.
fn successor(token: &Hash, salt: &Hash) -> Zeroizing<Hash> {
    Zeroizing::new(hash(&[salt, token]))
}

fn random() -> Result<Zeroizing<Hash>, StoreError> {
    random::random().map_err(|why| StoreError::Unavailable(why.to_string()))
}

impl RefreshTokens {
    /// In a store, by the terms of `[auth]`.
    pub fn new(store: Arc<dyn Store>, auth: &config::Auth) -> Self {
        Self::with_clock(store, auth, Arc::new(Timestamp::now))
    }

    /// Like [`new`](Self::new), with another clock than the machine's.
    pub fn with_clock(store: Arc<dyn Store>, auth: &config::Auth, clock: Clock) -> Self {
        let lifetime = match auth.refresh_lifetime.0 {
            Duration::ZERO => Duration::ZERO,
            some => some.max(auth.token_lifetime.0),
        };
        let (grace, most) = (auth.refresh_grace.0, auth.logins_per_user);
        Self { store, lifetime, grace, most, clock }
    }

    /// A new login of this epoch, and its first token; `None` where there are no refresh tokens.
    ///
    /// # Errors
    /// When the store or the machine cannot do it.
    pub async fn begin(
        &self,
        user: UserId,
        epoch: u64,
    ) -> Result<Option<(LoginId, RefreshToken)>, StoreError> {
        if self.lifetime.is_zero() {
            return Ok(None);
        }
        let halves = Halves { login: random()?, token: random()? };
        let id = halves.login();
        let expires = self.expires();
        let token = hash(&[&*halves.token]);
        let login = RefreshableLogin { id, user, epoch, token, used: None, expires };
        self.store.create_login(login, self.most).await?;
        Ok(Some((id, self.token(&halves.login, &halves.token, expires))))
    }

    /// Uses a token. Whether the account still admits the login's epoch, the caller asks.
    ///
    /// # Errors
    /// See [`RefreshError`].
    pub async fn renew(&self, text: &str) -> Result<Renewed, RefreshError> {
        let halves = Halves::parse(text).ok_or(RefreshError::Refused)?;
        let given = hash(&[&*halves.token]);
        for attempt in 1..=ATTEMPTS {
            let login = self.store.login(halves.login()).await?.ok_or(RefreshError::Refused)?;
            let now = (self.clock)();
            if login.expires <= now || self.lifetime.is_zero() {
                return Err(RefreshError::Refused);
            }
            let salt = match login.used {
                _ if login.token == given => *random()?,
                Some(used) if used.token == given && self.is_late_answer(&used, now) => {
                    let next = successor(&halves.token, &used.salt);
                    let token = self.token(&halves.login, &next, login.expires);
                    return Ok(Renewed { login, token });
                }
                _ => {
                    self.store.end_login(login.id).await?;
                    return Err(RefreshError::Reused { user: login.user, login: login.id });
                }
            };
            let next = successor(&halves.token, &salt);
            let renewed = RefreshableLogin {
                token: hash(&[&*next]),
                used: Some(UsedToken { token: given, at: now, salt }),
                expires: self.expires(),
                ..login
            };
            if self.store.renew_login(given, renewed.clone()).await? {
                let token = self.token(&halves.login, &next, renewed.expires);
                return Ok(Renewed { login: renewed, token });
            }
            tokio::time::sleep(PAUSE * attempt).await;
        }
        Err(RefreshError::Unavailable("a login changes too often".to_owned()))
    }

    /// The login of a token, also of one that was used; `None` when there is none.
    ///
    /// # Errors
    /// When the store cannot answer.
    pub async fn login(&self, text: &str) -> Result<Option<RefreshableLogin>, StoreError> {
        match Halves::parse(text) {
            Some(halves) => self.store.login(halves.login()).await,
            None => Ok(None),
        }
    }

    /// Whether the answer to the token that was used last may not have arrived: nobody has used
    /// its successor, for then another one would have been used last.
    fn is_late_answer(&self, used: &UsedToken, now: Timestamp) -> bool {
        let passed = Duration::from_millis(u64::try_from(now.0 - used.at.0).unwrap_or(0));
        passed <= self.grace && !self.grace.is_zero()
    }

    fn expires(&self) -> Timestamp {
        let lifetime = i64::try_from(self.lifetime.as_millis()).unwrap_or(i64::MAX);
        Timestamp((self.clock)().0.saturating_add(lifetime))
    }

    fn token(&self, login: &Hash, token: &Hash, expires: Timestamp) -> RefreshToken {
        let left = expires.0.saturating_sub((self.clock)().0) / 1000;
        let expires_in = u64::try_from(left).unwrap_or(0);
        RefreshToken { text: Halves::write(login, token), expires_in }
    }
}

/// Removes the logins whose time is over, from time to time, until `stop`. What fails is tried
/// again.
pub async fn tend_logins(store: Arc<dyn Store>, stop: CancellationToken) {
    let tend = async {
        loop {
            match store.remove_expired_logins(Timestamp::now(), BATCH).await {
                Ok(BATCH) => continue,
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "expired logins were not removed"),
            }
            tokio::time::sleep(TEND_EVERY).await;
        }
    };
    stop.run_until_cancelled(tend).await;
}

impl fmt::Debug for RefreshTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RefreshTokens").field("lifetime", &self.lifetime).finish_non_exhaustive()
    }
}
