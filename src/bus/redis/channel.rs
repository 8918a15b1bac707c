//! The channels: one for each user.

use std::sync::Arc;

use confab_plugin::UserId;

/// Names channels: `PREFIX:user:ID`.
#[derive(Clone, Debug)]
pub struct Channels(Arc<str>);

impl Channels {
    /// Those of the deployment with this prefix.
    pub fn new(prefix: &str) -> Self {
        Self(format!("{prefix}:user:").into())
    }

    /// The channel of a user.
    pub fn of(&self, user: UserId) -> String {
        let mut name = String::with_capacity(self.0.len() + UserId::TEXT_LEN);
        name.push_str(&self.0);
        name.push_str(user.encode(&mut [0; UserId::TEXT_LEN]));
        name
    }

    /// Whose channel it is.
    pub fn user(&self, channel: &[u8]) -> Option<UserId> {
        let id = channel.strip_prefix(self.0.as_bytes())?;
        std::str::from_utf8(id).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_names_its_user() {
        let channels = Channels::new("confab");
        let user = UserId::from_u128(77);
        let name = channels.of(user);
        assert_eq!(name, format!("confab:user:{user}"));
        assert_eq!(channels.user(name.as_bytes()), Some(user));
        assert_eq!(Channels::new("other").user(name.as_bytes()), None);
        assert_eq!(channels.user(b"confab:user:x"), None);
        assert_eq!(channels.user(&[name.as_bytes(), b"0"].concat()), None);
        assert_eq!(channels.user(b"\xff"), None);
    }
}
