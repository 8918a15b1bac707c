//! What is kept of a login that can be refreshed: which token is the next to be used, never the
//! token itself.

use std::{fmt, str::FromStr};

use confab_plugin::UserId;

use super::Timestamp;

/// Names a login: public, in the claim `sid` of its access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LoginId(pub u128);

/// 32 hexadecimal digits.
impl fmt::Display for LoginId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for LoginId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        if text.len() != 32 || !text.bytes().all(digit) {
            return Err(());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| ())
    }
}

/// A hash of a token, or something random of the same size.
pub type Hash = [u8; 32];

/// A login, and the family of refresh tokens that followed from it: each is used once, for the
/// next one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshableLogin {
    /// Its name.
    pub id: LoginId,
    /// Whose it is.
    pub user: UserId,
    /// The account's epoch at the login: its end is the login's.
    pub epoch: u64,
    /// The SHA-256 of the token that is to be used next.
    pub token: Hash,
    /// The token that was used last; `None` before the first use.
    pub used: Option<UsedToken>,
    /// When the next token is no longer good.
    pub expires: Timestamp,
}

/// A token that was used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UsedToken {
    /// Its SHA-256.
    pub token: Hash,
    /// When it was used.
    pub at: Timestamp,
    /// What makes its successor of it, together with the token itself: so who comes again with it
    /// gets the same successor, and nobody else can tell what that is.
    pub salt: Hash,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_text() {
        for id in [LoginId(0), LoginId(255), LoginId(u128::MAX)] {
            assert_eq!(id.to_string().parse(), Ok(id));
        }
        for text in ["", "0", &"0".repeat(33), &"A".repeat(32), &format!("+{}", "0".repeat(31))] {
            assert_eq!(text.parse::<LoginId>(), Err(()), "{text}");
        }
    }
}
