//! Who may come in: passwords, tokens, the keys that sign them, and the two ways to get one.
//!
//! Registration and login go through [`Accounts`]; every other request brings a token, which
//! [`Tokens`] verifies.

mod accounts;
mod claims;
mod keys;
mod logins;
mod password;
mod pem;
mod random;
mod refresh;
mod rotation;
mod scratch;
mod secret_key;
#[cfg(test)]
mod tests;
mod token;

pub use accounts::{Accounts, AuthError};
pub use keys::{KeyError, Keys, MIN_SECRET_BYTES};
pub use logins::EndedLogin;
pub use password::{
    HashError, MAX_PASSWORD_BYTES, PasswordProblem, Passwords, Verified, is_password_hash,
};
pub use refresh::{RefreshError, RefreshToken, RefreshTokens, Renewed, tend_logins};
pub use rotation::{Rotated, rotate};
pub use secret_key::{SECRET_KEY_FILE, secret_key_beside, secret_key_files};
pub use token::{Claims, Clock, IssueError, MAX_TOKEN_BYTES, Token, TokenError, Tokens};

/// Logins that were ended because one of their refresh tokens was used twice.
const REUSED: &str = "confab_refresh_tokens_reused_total";

/// Tells the metrics recorder what this module's metrics mean.
pub fn describe_metrics() {
    metrics::describe_counter!(
        accounts::ATTEMPTS,
        metrics::Unit::Count,
        "Registrations, logins and what follows them, by call and result."
    );
    // So that a first one is seen as a change.
    for call in ["register", "login"] {
        for result in AuthError::REASONS.into_iter().chain(["ok"]) {
            metrics::counter!(accounts::ATTEMPTS, "call" => call, "result" => result).increment(0);
        }
    }
    metrics::describe_counter!(
        REUSED,
        metrics::Unit::Count,
        "Logins that were ended because one of their refresh tokens was used again."
    );
    metrics::describe_counter!(
        token::PREVIOUS_KEY,
        metrics::Unit::Count,
        "Good tokens that another key than the current one has signed."
    );
    for counter in [REUSED, token::PREVIOUS_KEY] {
        metrics::counter!(counter).increment(0);
    }
    // Registered, so that it is told from the start.
    let _ = metrics::histogram!(password::HASH_DURATION);
    metrics::describe_histogram!(
        password::HASH_DURATION,
        metrics::Unit::Seconds,
        "Time to compute one password hash, without the wait for a turn."
    );
}
