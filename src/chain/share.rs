//! For which users the mode of an entry holds, where it holds for a share of them.

use std::sync::Arc;

use confab_plugin::{Context, Event};
use sha2::{Digest as _, Sha256};

use crate::config::Mode;

/// How an entry treats one event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Treatment {
    /// Its answer decides.
    Enforce,
    /// Its answer is only counted.
    Shadow,
    /// It does not run.
    Leave,
}

/// The share of users for whom a mode holds.
#[derive(Debug)]
pub struct Share {
    mode: Mode,
    percent: u8,
    /// Different entries take different users.
    entry: Arc<str>,
}

impl Share {
    /// `mode` for `percent` of all users, from 1 to 100.
    pub fn new(mode: Mode, percent: u8, entry: &Arc<str>) -> Self {
        Self { mode, percent, entry: Arc::clone(entry) }
    }

    /// How the entry treats this event: the same for all events of a user, on every node, after
    /// every restart. A registration and a login count by the name that was tried, before and
    /// after it is known whose it is.
    pub fn treatment(&self, cx: &Context, event: &Event) -> Treatment {
        let chosen = self.percent >= 100 || self.chooses(cx, event);
        match (self.mode, chosen) {
            (Mode::Enforce, true) => Treatment::Enforce,
            (Mode::Enforce, false) | (Mode::Shadow, true) => Treatment::Shadow,
            (Mode::Shadow, false) | (Mode::Off, _) => Treatment::Leave,
        }
    }

    fn chooses(&self, cx: &Context, event: &Event) -> bool {
        let mut digest = Sha256::new_with_prefix(self.entry.as_bytes());
        digest.update([0]);
        match (event, &cx.user) {
            (Event::Register(register), _) => digest.update(register.username().as_str()),
            (Event::Login(login), _) => digest.update(login.username().as_str()),
            (_, Some(user)) => digest.update(user.id.as_u128().to_be_bytes()),
            (_, None) => digest.update(cx.address.to_string()),
        }
        let [a, b, c, d, ..] = <[u8; 32]>::from(digest.finalize());
        u64::from(u32::from_be_bytes([a, b, c, d])) * 100 < u64::from(self.percent) << 32
    }
}

#[cfg(test)]
mod tests {
    use confab_plugin::{User, UserId, testkit};

    use super::*;

    fn chosen(share: &Share) -> Vec<u128> {
        let mut cx = testkit::context();
        let name = cx.user.as_ref().unwrap().name.clone();
        let chosen = (0..2000).filter(|id| {
            let id = UserId::from_u128(*id);
            cx.user = Some(Arc::new(User { id, name: name.clone() }));
            share.treatment(&cx, &testkit::message("hello")) == Treatment::Shadow
        });
        chosen.collect()
    }

    #[test]
    fn a_share_is_about_its_size_and_always_the_same_users() {
        let of = |percent, entry: &str| Share::new(Mode::Shadow, percent, &entry.into());
        let ten = chosen(&of(10, "a"));
        assert!((120..280).contains(&ten.len()), "{}", ten.len());
        assert_eq!(ten, chosen(&of(10, "a")));
        assert_ne!(ten, chosen(&of(10, "b")), "another entry takes other users");
        let thirty = chosen(&of(30, "a"));
        assert!(ten.iter().all(|user| thirty.contains(user)), "more percent leave nobody out");
        assert_eq!(chosen(&of(100, "a")).len(), 2000);
    }

    #[test]
    fn who_is_not_chosen_gets_the_gentler_mode() {
        let (cx, event) = (testkit::context(), testkit::message("hello"));
        let treat = |mode, percent| Share::new(mode, percent, &"x".into()).treatment(&cx, &event);
        assert_eq!(treat(Mode::Enforce, 100), Treatment::Enforce);
        assert_eq!(treat(Mode::Shadow, 100), Treatment::Shadow);
        assert_eq!(treat(Mode::Off, 100), Treatment::Leave);
        let few: Vec<_> = (1..=100).map(|percent| treat(Mode::Enforce, percent)).collect();
        let turn = few.iter().position(|t| *t == Treatment::Enforce).unwrap();
        assert!(few[..turn].iter().all(|t| *t == Treatment::Shadow));
        assert!(few[turn..].iter().all(|t| *t == Treatment::Enforce));
    }
}
