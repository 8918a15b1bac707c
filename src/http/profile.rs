//! A user, as everybody may see them.

use poem_openapi::Object;

use crate::directory::Profile;

/// A user's public profile.
#[derive(Object)]
#[oai(rename = "Profile")]
pub struct ProfileBody {
    /// The permanent id.
    user_id: String,
    /// The login name.
    username: String,
    /// The name to show, if one was given.
    #[oai(skip_serializing_if_is_none)]
    display_name: Option<String>,
    /// True when the account is deleted: nobody reads there any more.
    #[oai(skip_serializing_if_is_none)]
    deleted: Option<bool>,
}

impl From<&Profile> for ProfileBody {
    fn from(profile: &Profile) -> Self {
        Self {
            user_id: profile.user.id.to_string(),
            username: profile.user.name.to_string(),
            display_name: profile.display_name.as_deref().map(str::to_owned),
            deleted: profile.standing.deleted.map(|_| true),
        }
    }
}
