//! What the user may do, told from its privileges.

use mongodb::bson::{Bson, Document, doc};

use super::{Probe, Trouble};
use crate::store::mongo::schema::planned;

const SIGN_IN: &str = "sign-in";
const RIGHTS: &str = "rights";

/// What the store does with its collections. `listCollections` is a right on the database.
const NEEDED: [&str; 5] = ["find", "insert", "update", "createIndex", "listCollections"];

/// Sets the rules of a collection that exists. The role `readWrite` does not have it, and the
/// store does without.
const CHANGE_RULES: &str = "collMod";

/// How far the rights go.
pub(super) enum Rights {
    /// The database may not even be looked at.
    None,
    /// It may be looked at.
    Some {
        /// The rules of collections may be changed.
        may_change_rules: bool,
    },
}

impl Probe {
    /// Who is signed in, and what they may do.
    pub(super) async fn rights(&mut self) -> Rights {
        let status = self.ask(doc! { "connectionStatus": 1, "showPrivileges": true }).await;
        let info = match status.as_ref().map(|status| status.get_document("authInfo")) {
            Ok(Ok(info)) => info.clone(),
            Ok(Err(_)) => Document::new(),
            Err(trouble) => {
                let text = format!("what the user may do is not known: {}", trouble.text());
                self.report.warn(RIGHTS, text, "see that it has the role readWrite");
                return Rights::Some { may_change_rules: true };
            }
        };
        let user = info.get_array("authenticatedUsers").ok().and_then(|users| users.first());
        let Some(user) = user.and_then(Bson::as_document) else {
            return self.nobody().await;
        };
        let name = user.get_str("user").unwrap_or_default().to_owned();
        let known_to = user.get_str("db").unwrap_or_default().to_owned();
        self.report.ok(SIGN_IN, format!("as {name}, whom the database {known_to} knows"));

        let privileges = info.get_array("authenticatedUserPrivileges");
        let privileges: Vec<&Document> =
            privileges.into_iter().flatten().filter_map(Bson::as_document).collect();
        let collections: Vec<Option<&str>> = if self.space.layout.is_per_pair() {
            // A conversation's collection may have any name of its kind.
            vec![None]
        } else {
            planned(self.space.layout).iter().map(|planned| Some(planned.name)).collect()
        };
        let may = |action: &str| {
            let on_database = action == "listCollections";
            let places = if on_database { &[None][..] } else { &collections };
            places.iter().all(|place| {
                privileges.iter().any(|privilege| {
                    allows(privilege, action) && covers(privilege, &self.database, *place)
                })
            })
        };
        let lacking: Vec<&str> = NEEDED.into_iter().filter(|action| !may(action)).collect();
        let (may_change_rules, may_look) = (may(CHANGE_RULES), may("listCollections"));
        if lacking.is_empty() {
            let text = format!("may read and write in {} (no write was tried)", self.database);
            self.report.ok(RIGHTS, text);
        } else {
            self.report.fail(
                RIGHTS,
                format!("{name} lacks, in the database {}: {}", self.database, lacking.join(", ")),
                format!(
                    "as an administrator, in mongosh: db.getSiblingDB({known_to:?})\
                     .grantRolesToUser({name:?}, [{{ role: \"readWrite\", db: {:?} }}])",
                    self.database
                ),
            );
        }
        if may_look { Rights::Some { may_change_rules } } else { Rights::None }
    }

    /// The URI names no user: good where nobody needs one.
    async fn nobody(&mut self) -> Rights {
        let look = doc! { "listCollections": 1, "nameOnly": true, "cursor": { "batchSize": 1 } };
        match self.ask(look).await {
            Ok(_) if self.target.is_local => self.report.ok(SIGN_IN, "nobody needs to sign in"),
            Ok(_) => self.report.warn(
                SIGN_IN,
                "nobody needs to sign in: whoever reaches this server reads all messages",
                "turn authorization on, and give confab a user with the role readWrite",
            ),
            Err(Trouble::Unauthorized) => {
                self.report.fail(
                    SIGN_IN,
                    "the server wants a user, and the URI names none",
                    "write mongodb://user:password@host/?authSource=admin",
                );
                return Rights::None;
            }
            Err(Trouble::Other(why)) => {
                self.report.fail(SIGN_IN, why, "check the server's log");
                return Rights::None;
            }
        }
        Rights::Some { may_change_rules: true }
    }
}

fn allows(privilege: &Document, action: &str) -> bool {
    let actions = privilege.get_array("actions");
    actions
        .into_iter()
        .flatten()
        .any(|one| matches!(one.as_str(), Some(name) if name == action || name == "anyAction"))
}

/// Whether a privilege holds for a collection; without one, for all of the database.
fn covers(privilege: &Document, database: &str, collection: Option<&str>) -> bool {
    let Ok(resource) = privilege.get_document("resource") else {
        return false;
    };
    if matches!(resource.get_bool("anyResource"), Ok(true)) {
        return true;
    }
    // An empty name stands for all.
    let (Ok(db), Ok(name)) = (resource.get_str("db"), resource.get_str("collection")) else {
        return false;
    };
    (db.is_empty() || db == database) && (name.is_empty() || Some(name) == collection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileges_hold_where_they_say() {
        let on = |resource: Document| doc! { "resource": resource, "actions": ["find"] };
        let whole = on(doc! { "db": "chat", "collection": "" });
        let every = on(doc! { "db": "", "collection": "" });
        let one = on(doc! { "db": "chat", "collection": "accounts" });
        let any = on(doc! { "anyResource": true });
        let cluster = on(doc! { "cluster": true });
        for (privilege, database, collection, expected) in [
            (&whole, "chat", None, true),
            (&whole, "chat", Some("accounts"), true),
            (&whole, "chatter", None, false),
            (&every, "chat", None, true),
            (&one, "chat", Some("accounts"), true),
            (&one, "chat", Some("messages"), false),
            (&one, "chat", None, false),
            (&any, "chat", None, true),
            (&cluster, "chat", None, false),
            (&doc! {}, "chat", None, false),
        ] {
            assert_eq!(covers(privilege, database, collection), expected, "{privilege}");
        }
        assert!(allows(&whole, "find") && !allows(&whole, "insert") && !allows(&doc! {}, "find"));
        assert!(allows(&doc! { "actions": ["anyAction"] }, "insert"));
    }
}
