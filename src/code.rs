//! The stable codes by which clients are told what went wrong, the same on HTTP and WebSocket.

use std::{borrow::Cow, fmt};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $text:literal, $status:literal;)+) => {
        /// Why a request or a frame was refused.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Code {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Code {
            /// Every code, in the order of the table in the README.
            pub const ALL: &[Code] = &[$(Code::$name,)+];

            /// The word that clients are given.
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text,)+ }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Code::$name => $status,)+ }
            }

            /// What it means, as in the README.
            pub const fn meaning(self) -> &'static str {
                match self { $(Code::$name => concat!($($doc),+),)+ }
            }
        }
    };
}

codes! {
    /// The body or frame is not valid JSON, or has missing, unknown or wrongly typed fields.
    Malformed = "malformed", 400;
    /// The frame's `event` is not one a client may send.
    UnknownEvent = "unknown_event", 400;
    /// The frame is binary; frames are JSON text.
    BinaryFrame = "binary_frame", 400;
    /// The request to upgrade to a WebSocket is incomplete or of another version.
    BadUpgrade = "bad_upgrade", 400;
    /// The user name and password do not match, or there is no such user.
    BadCredentials = "bad_credentials", 401;
    /// The token is missing or not good.
    BadToken = "bad_token", 401;
    /// The token has expired: log in again.
    TokenExpired = "token_expired", 401;
    /// The user's sessions were ended after the token was made: log in again.
    SessionEnded = "session_ended", 401;
    /// The account is disabled: its operator knows why.
    AccountDisabled = "account_disabled", 403;
    /// The token belongs to another user than the path names.
    WrongUser = "wrong_user", 403;
    /// The page that asks is from a site that is not in `server.allowed_origins`.
    OriginNotAllowed = "origin_not_allowed", 403;
    /// A plugin refused the call without giving a code.
    Refused = "refused", 403;
    /// There is nothing at this path.
    NotFound = "not_found", 404;
    /// There is no such user.
    UnknownUser = "unknown_user", 404;
    /// The user's account is deleted: nobody reads there any more.
    UserDeleted = "user_deleted", 404;
    /// The path does not take this method.
    MethodNotAllowed = "method_not_allowed", 405;
    /// The user name belongs to another account.
    UsernameTaken = "username_taken", 409;
    /// The message id was used before, for a message to another recipient.
    IdReused = "id_reused", 409;
    /// The request's body is larger than `limits.body`.
    BodyTooLarge = "body_too_large", 413;
    /// The body is neither JSON nor, for /login, a form.
    UnsupportedMediaType = "unsupported_media_type", 415;
    /// A user name is 2 to 32 characters of `a-z 0-9 . _ -` and starts with a letter or a digit.
    InvalidUsername = "invalid_username", 422;
    /// The password is too short or too long.
    InvalidPassword = "invalid_password", 422;
    /// The display name is empty, too long, or holds control characters.
    InvalidDisplayName = "invalid_display_name", 422;
    /// The text is empty or holds control characters other than tab and newline.
    InvalidContent = "invalid_content", 422;
    /// The text is larger than `limits.content`.
    ContentTooLong = "content_too_long", 422;
    /// The id of a message or a `sync` is empty, longer than 64 characters, or holds control characters.
    InvalidId = "invalid_id", 422;
    /// A parameter's value is out of its bounds.
    InvalidParameter = "invalid_parameter", 422;
    /// The configuration is wrong, so the reload was refused; `errors` says what and where.
    InvalidConfig = "invalid_config", 422;
    /// Too many requests or frames: wait a little.
    RateLimited = "rate_limited", 429;
    /// The user has too many sessions open on this node.
    TooManySessions = "too_many_sessions", 429;
    /// The daemon failed: this is a defect, and its log says more.
    Internal = "internal", 500;
    /// A plugin failed, and its entry says `on_error = "deny"`.
    PluginFailed = "plugin_failed", 503;
    /// Too much waits already: try again in a moment.
    Overloaded = "overloaded", 503;
    /// The store does not answer, or the daemon is stopping: try again, a message with the same id.
    Unavailable = "unavailable", 503;
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A refusal, as a client is told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable word: a [`Code`], or a plugin's own.
    pub code: Cow<'static, str>,
    /// The HTTP status; 403 for a plugin's own code.
    pub status: u16,
    /// A sentence for people.
    pub message: Cow<'static, str>,
    /// The entry of the chain that refused, if one did.
    pub plugin: Option<std::sync::Arc<str>>,
    /// After how many seconds it makes sense to try again.
    pub retry_after: Option<u32>,
}

impl Refusal {
    /// A refusal by the daemon itself.
    pub fn new(code: Code, message: impl Into<Cow<'static, str>>) -> Self {
        let retry_after = match code {
            Code::RateLimited | Code::Overloaded | Code::Unavailable => Some(1),
            _ => None,
        };
        Self {
            code: code.as_str().into(),
            status: code.status(),
            message: message.into(),
            plugin: None,
            retry_after,
        }
    }
}

impl From<crate::store::StoreError> for Refusal {
    fn from(error: crate::store::StoreError) -> Self {
        use crate::store::StoreError;
        match error {
            StoreError::UsernameTaken => Refusal::new(Code::UsernameTaken, "This name is taken."),
            StoreError::IdReused => Refusal::new(
                Code::IdReused,
                "You used this id for a message to somebody else: use a new id.",
            ),
            StoreError::Unavailable(_) => Refusal::new(
                Code::Unavailable,
                "The message store does not answer: try again, with the same id.",
            ),
        }
    }
}
