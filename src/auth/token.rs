//! Tokens: JWTs, signed and verified with the one algorithm that the configuration names.
//!
//! The checks follow RFC 8725 (best current practices for JWTs). The signature is checked by
//! the library, everything else here: the library knows no maximum lifetime, lets `crit` and
//! `typ` pass, and would let the header choose among algorithms.

use std::{fmt, sync::Arc, time::Duration};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use confab_plugin::UserId;

use crate::{
    config::{Auth, Secret},
    store::Timestamp,
};

use super::{
    claims::{Header, Read, Written, object},
    keys::Keys,
};

/// The longest token that is looked at, in bytes. Ours have about 300, with RSA 600.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Tells the time; replaced in tests.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Issues and verifies tokens.
pub struct Tokens {
    keys: Keys,
    issuer: String,
    audience: String,
    lifetime: Duration,
    max_lifetime: Duration,
    leeway: Duration,
    clock: Clock,
}

/// A new token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// The token itself. Whoever has it is the user.
    pub text: Secret,
    /// How long it is good, in seconds.
    pub expires_in: u64,
}

/// What a good token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claims {
    /// Whose token it is.
    pub user: UserId,
    /// In which epoch of the account it was made: [`Standing::admits`] says whether it still is.
    ///
    /// [`Standing::admits`]: crate::store::Standing::admits
    pub epoch: u64,
    /// When it was made.
    pub issued: Timestamp,
    /// When it expires; a session ends then. For `auth.leeway` longer, [`Tokens::verify`] still
    /// accepts it.
    pub expires: Timestamp,
}

/// Why a token is refused. A client is told only whether it has expired; the rest is for
/// metrics and the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TokenError {
    /// Too long, not three parts of base64url, not the JSON expected, or a claim is missing, of
    /// the wrong type or given twice.
    Malformed,
    /// The header names another algorithm than the configured one.
    Algorithm,
    /// The header's `typ` is not "JWT", or it holds `crit` or `b64`.
    Header,
    /// The signature is not ours.
    Signature,
    /// `iss` is not the configured one.
    Issuer,
    /// `aud` does not hold the configured one.
    Audience,
    /// `sub` is not a user id.
    Subject,
    /// `exp` is not after `iat`, or later than `auth.max_token_lifetime` allows.
    Lifetime,
    /// `nbf` or `iat` is in the future.
    NotYetValid,
    /// Good in every respect, but its time is over.
    Expired,
}

impl TokenError {
    /// Every error.
    pub const ALL: [Self; 10] = [
        Self::Malformed,
        Self::Algorithm,
        Self::Header,
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Subject,
        Self::Lifetime,
        Self::NotYetValid,
        Self::Expired,
    ];

    /// A stable word for metrics and the log.
    pub const fn reason(self) -> &'static str {
        match self {
            TokenError::Malformed => "malformed",
            TokenError::Algorithm => "algorithm",
            TokenError::Header => "header",
            TokenError::Signature => "signature",
            TokenError::Issuer => "issuer",
            TokenError::Audience => "audience",
            TokenError::Subject => "subject",
            TokenError::Lifetime => "lifetime",
            TokenError::NotYetValid => "not_yet_valid",
            TokenError::Expired => "expired",
        }
    }
}

/// A sentence for the client.
impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TokenError::Expired => "the token has expired",
            _ => "the token is not valid",
        })
    }
}

impl std::error::Error for TokenError {}

/// A token could not be signed. The text is for the operator's log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueError(String);

impl fmt::Display for IssueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot sign a token: {}", self.0)
    }
}

impl std::error::Error for IssueError {}

impl Tokens {
    /// With the keys loaded and the terms of `[auth]`.
    pub fn new(auth: &Auth, keys: Keys) -> Self {
        Self::with_clock(auth, keys, Arc::new(Timestamp::now))
    }

    /// Like [`new`](Self::new), with another clock than the machine's.
    pub fn with_clock(auth: &Auth, keys: Keys, clock: Clock) -> Self {
        Self {
            keys,
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
            lifetime: auth.token_lifetime.0.min(auth.max_token_lifetime.0),
            max_lifetime: auth.max_token_lifetime.0,
            leeway: auth.leeway.0,
            clock,
        }
    }

    /// A new token for `user`, good from now on and for this epoch of the account alone: the one
    /// that was read before the password was checked, so that what ends the sessions meanwhile
    /// ends this one too. RSA takes milliseconds, too long for an async
    /// thread; the other algorithms take microseconds.
    ///
    /// # Errors
    /// When the key cannot sign; loading it has tried that already.
    pub fn issue(&self, user: UserId, epoch: u64) -> Result<Token, IssueError> {
        let now = u64::try_from((self.clock)().0 / 1000).unwrap_or_default();
        let expires_in = self.lifetime.as_secs();
        let claims = Written {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user,
            iat: now,
            nbf: now,
            exp: now.saturating_add(expires_in),
            epoch,
        };
        let claims = serde_json::to_vec(&claims).map_err(|why| IssueError(why.to_string()))?;
        let header = format!(r#"{{"typ":"JWT","alg":"{}"}}"#, self.keys.algorithm());
        let mut text = URL_SAFE_NO_PAD.encode(header);
        text.push('.');
        URL_SAFE_NO_PAD.encode_string(claims, &mut text);
        let signature =
            self.keys.sign(text.as_bytes()).map_err(|why| IssueError(why.to_string()))?;
        text.push('.');
        text.push_str(&signature);
        Ok(Token { text: text.into(), expires_in })
    }

    /// Whose token it is, if it is one of ours and its time is now. Whether the account still
    /// takes it, only the account knows.
    ///
    /// # Errors
    /// Why it is refused. [`TokenError::Expired`] only when nothing else is wrong with it.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenError> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(TokenError::Malformed);
        }
        let (message, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
        let (header, claims) = message.split_once('.').ok_or(TokenError::Malformed)?;
        if claims.contains('.') {
            return Err(TokenError::Malformed);
        }
        self.check_header(&decode(header)?)?;
        if !self.keys.verify(message.as_bytes(), signature) {
            return Err(TokenError::Signature);
        }
        self.check_claims(&decode(claims)?)
    }

    fn check_header(&self, json: &[u8]) -> Result<(), TokenError> {
        let header: Header<'_> = object(json).ok_or(TokenError::Malformed)?;
        if header.alg != self.keys.algorithm() {
            return Err(TokenError::Algorithm);
        }
        if header.crit || header.b64 || !header.typ.eq_ignore_ascii_case("JWT") {
            return Err(TokenError::Header);
        }
        Ok(())
    }

    fn check_claims(&self, json: &[u8]) -> Result<Claims, TokenError> {
        let claims: Read<'_> = object(json).ok_or(TokenError::Malformed)?;
        if claims.iss != self.issuer {
            return Err(TokenError::Issuer);
        }
        if !claims.aud.contains(&self.audience) {
            return Err(TokenError::Audience);
        }
        let user = claims.sub.parse().map_err(|_| TokenError::Subject)?;
        let lifetime = claims.exp.saturating_sub(claims.iat);
        if lifetime == 0 || Duration::from_secs(lifetime) > self.max_lifetime {
            return Err(TokenError::Lifetime);
        }
        let now = (self.clock)().0;
        let leeway = i64::try_from(self.leeway.as_millis()).unwrap_or(i64::MAX);
        let latest = now.saturating_add(leeway);
        if millis(claims.nbf) > latest || millis(claims.iat) > latest {
            return Err(TokenError::NotYetValid);
        }
        let expires = millis(claims.exp);
        if now >= expires.saturating_add(leeway) {
            return Err(TokenError::Expired);
        }
        let issued = Timestamp(millis(claims.iat));
        Ok(Claims { user, epoch: claims.epoch, issued, expires: Timestamp(expires) })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tokens").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// Canonical base64url without padding: one text for one value.
fn decode(part: &str) -> Result<Vec<u8>, TokenError> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed)
}

fn millis(seconds: u64) -> i64 {
    i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1000)
}
