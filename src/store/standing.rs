//! Whether an account may be used and with which tokens, and how that is changed.

use std::sync::Arc;

use super::{Account, Timestamp};

/// Whether an account may be used, and with which tokens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// How often all of the user's sessions were ended. A token carries the number that was in
    /// force when its login began, and is good only while it still is: so what came before an
    /// ending and what came after it are told apart without a clock, also within one second.
    pub epoch: u64,
    /// Since when the account is disabled.
    pub disabled: Option<Timestamp>,
    /// When it was deleted. Its name stays reserved, so that nobody takes its place.
    pub deleted: Option<Timestamp>,
    /// The place of its last [`AccountChange`] among those of all accounts; 0 for none.
    pub change: u64,
}

/// Why somebody may not come in, or stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Barred {
    /// The account is disabled.
    Disabled,
    /// The sessions of that time were ended, or the account was deleted.
    Ended,
}

impl Standing {
    /// Whether a token or a session of this epoch may be used.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, epoch: u64) -> Result<(), Barred> {
        if self.deleted.is_some() || self.epoch != epoch {
            Err(Barred::Ended)
        } else if self.disabled.is_some() {
            Err(Barred::Disabled)
        } else {
            Ok(())
        }
    }
}

/// A change of an account that the other nodes must learn of. Each but [`Enable`](Self::Enable)
/// ends the user's sessions: it begins a new epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccountChange {
    /// Gives it another password.
    Password {
        /// The hash in PHC format.
        hash: Arc<str>,
        /// Only while this is the account's epoch; `None` for any.
        epoch: Option<u64>,
    },
    /// Ends the sessions, and nothing else.
    EndSessions,
    /// Lets nobody in any more, from this moment on. One that is disabled stays as it is.
    Disable(Timestamp),
    /// Lets its user in again.
    Enable,
    /// Takes away the password and the name to show, at this moment. The name to log in with and
    /// all messages stay.
    Delete(Timestamp),
}

impl AccountChange {
    /// Makes the change in `account`, but for its place among all changes. `None` when it is
    /// refused: the account is a plugin's bot, is deleted, or is in another epoch than the change
    /// asks for. Otherwise, whether there is anything to store.
    pub(crate) fn make(&self, account: &mut Account) -> Option<bool> {
        let standing = &mut account.standing;
        if account.password_hash.as_ref() == Account::BOT || standing.deleted.is_some() {
            return None;
        }
        match self {
            Self::Password { epoch: Some(epoch), .. } if *epoch != standing.epoch => return None,
            Self::Password { hash, .. } => account.password_hash = Arc::clone(hash),
            Self::EndSessions => {}
            Self::Disable(_) if standing.disabled.is_some() => return Some(false),
            Self::Disable(at) => standing.disabled = Some(*at),
            Self::Enable => return Some(standing.disabled.take().is_some()),
            Self::Delete(at) => {
                standing.deleted = Some(*at);
                standing.disabled = None;
                account.display_name = None;
                account.password_hash = Account::DELETED.into();
            }
        }
        standing.epoch += 1;
        Some(true)
    }
}
