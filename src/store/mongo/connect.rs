//! From a URI to a client and the collections.
//!
//! Every write that is acknowledged says `w: majority, j: true` itself, whatever the server's
//! default is: a member of a replica set acknowledges less by default than what survives the loss
//! of it, and a standalone less than what survives its own. Reads go to the primary with read
//! concern `majority`: what a client is shown, or what the next `seq` builds on, can never be
//! rolled back.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mongodb::{
    Client, Collection, Database,
    bson::{Document, RawDocumentBuf, doc},
    options::{
        Acknowledgment, ClientOptions, CollectionOptions, ConnectionString, HostInfo, ReadConcern,
        ReadPreference, SelectionCriteria, WriteConcern,
    },
};

use super::{
    documents::{ACCOUNTS, CLIENT_IDS, CONVERSATIONS},
    errors::OpenError,
    layout::Layout,
    logins::LOGINS,
};
use crate::{config, store::Conversation};

/// A database's name in bytes.
const MAX_NAME: usize = 63;

/// Characters that a database's name cannot have: the union over the servers' platforms.
const ILLEGAL: &[char] = &['/', '\\', '.', ' ', '"', '$', '*', '<', '>', ':', '|', '?', '\0'];

/// Checks the syntax of a URI, without asking anybody.
///
/// # Errors
/// What is wrong with it, without the URI itself: it may hold a password.
pub fn check_uri(uri: &str) -> Result<(), String> {
    parse(uri).map(|_| ())
}

fn parse(uri: &str) -> Result<ConnectionString, String> {
    ConnectionString::parse(uri).map_err(|error| {
        let why = super::errors::one_line(&error);
        // The driver's message ends in what it could not read, which may be a password.
        let what = if uri.contains('@') || uri.contains("://") && !uri.starts_with("mongodb") {
            redact(&why, uri)
        } else {
            why
        };
        format!(
            "{what}; it begins with mongodb:// or mongodb+srv://, and special characters in \
                 a password are written as %XX"
        )
    })
}

/// Takes away what a message quotes of a URI.
fn redact(why: &str, uri: &str) -> String {
    let words = why.split(' ').map(|word| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric());
        if bare.len() > 2 && uri.contains(bare) && !bare.starts_with("mongodb") {
            "…"
        } else {
            word
        }
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Checks the name of a database.
///
/// # Errors
/// What is wrong with it.
pub fn check_database(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(format!("must have 1 to {MAX_NAME} bytes, and has {}", name.len()));
    }
    if let Some(c) = name.chars().find(|c| ILLEGAL.contains(c) || c.is_control()) {
        return Err(format!("must not have the character {c:?}"));
    }
    if ["admin", "local", "config"].contains(&name) {
        return Err("must not be one of MongoDB's own: admin, local, config".to_owned());
    }
    Ok(())
}

/// What is needed to connect; made without asking anybody.
pub(super) struct Settings {
    connection: ConnectionString,
    database: String,
    pub layout: Layout,
    connect_timeout: Duration,
    server_selection_timeout: Duration,
    pub operation_timeout: Duration,
    pool_size: u32,
    pub lanes: usize,
}

impl Settings {
    pub(super) fn of(config: &config::Mongo) -> Result<Self, OpenError> {
        let uri = config.uri.as_ref().ok_or(OpenError::NoUri)?;
        check_database(&config.database).map_err(OpenError::Database)?;
        Ok(Self {
            connection: parse(uri.expose()).map_err(OpenError::Uri)?,
            database: config.database.clone(),
            layout: Layout(config.layout),
            connect_timeout: config.connect_timeout.0,
            server_selection_timeout: config.server_selection_timeout.0,
            operation_timeout: config.operation_timeout.0,
            pool_size: config.pool_size,
            lanes: config.lanes,
        })
    }

    /// The hosts, and the user's name; never the password.
    pub(super) fn place(&self) -> String {
        let hosts = match &self.connection.host_info {
            HostInfo::HostIdentifiers(hosts) => {
                hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
            }
            HostInfo::DnsRecord(name) => format!("{name} (mongodb+srv)"),
            _ => String::new(),
        };
        let credential = self.connection.credential.as_ref();
        match credential.and_then(|credential| credential.username.as_deref()) {
            Some(user) => format!("{user}@{hosts}"),
            None => hosts,
        }
    }

    /// Makes the client. It connects when it is used; but with `mongodb+srv` the hosts are asked
    /// of DNS here.
    pub(super) async fn connect(&self) -> Result<Space, mongodb::error::Error> {
        self.connect_with(self.options().await?)
    }

    /// What the client is made of.
    pub(super) async fn options(&self) -> Result<ClientOptions, mongodb::error::Error> {
        let mut options = ClientOptions::parse(self.connection.clone()).await?;
        options.app_name.get_or_insert_with(|| "confab".to_owned());
        options.connect_timeout.get_or_insert(self.connect_timeout);
        options.server_selection_timeout.get_or_insert(self.server_selection_timeout);
        options.max_pool_size.get_or_insert(self.pool_size);
        options.selection_criteria =
            Some(SelectionCriteria::ReadPreference(ReadPreference::Primary));
        options.read_concern = Some(ReadConcern::majority());
        options.write_concern = Some(durable());
        Ok(options)
    }

    /// Makes the client of options that came from here.
    pub(super) fn connect_with(
        &self,
        options: ClientOptions,
    ) -> Result<Space, mongodb::error::Error> {
        let client = Client::with_options(options)?;
        let database = client.database(&self.database);
        let (layout, timeout) = (self.layout, self.operation_timeout);
        Ok(Space { layout, client, database, timeout, is_routed: Arc::default() })
    }
}

/// Survives the loss of any minority of the servers, and of power.
pub(super) fn durable() -> WriteConcern {
    WriteConcern::builder().w(Acknowledgment::Majority).journal(true).build()
}

/// The database, with the collections in it.
#[derive(Clone)]
pub(super) struct Space {
    pub layout: Layout,
    client: Client,
    pub database: Database,
    /// After this a query is no longer waited for; the server ends it too.
    pub timeout: Duration,
    /// Whether collections may be on different servers. Known once the database is prepared.
    is_routed: Arc<AtomicBool>,
}

impl Space {
    /// It is the router of a sharded cluster that answers.
    pub(super) fn set_routed(&self, is_routed: bool) {
        self.is_routed.store(is_routed, Ordering::Relaxed);
    }

    /// For what a durable write follows: a server's log is made durable in its order, so that the
    /// later write's acknowledgement is this one's too, if it goes to the same server.
    pub(super) fn followed(&self) -> WriteConcern {
        if self.is_routed.load(Ordering::Relaxed) {
            return durable();
        }
        WriteConcern::builder().w(Acknowledgment::Nodes(1)).journal(false).build()
    }

    pub(super) fn accounts(&self) -> Collection<Document> {
        self.database.collection(ACCOUNTS)
    }

    /// To read what a durable write then builds on: what it read is earlier in the server's log,
    /// so the one is rolled back with the other.
    pub(super) fn latest_accounts(&self) -> Collection<RawDocumentBuf> {
        let options = CollectionOptions::builder()
            .read_concern(ReadConcern::local())
            .write_concern(durable())
            .build();
        self.database.collection_with_options(ACCOUNTS, options)
    }

    pub(super) fn conversations(&self) -> Collection<Document> {
        self.database.collection(CONVERSATIONS)
    }

    /// Written before messages that are durable only after it, and read to refuse what is known.
    pub(super) fn client_ids(&self) -> Collection<Document> {
        let options = CollectionOptions::builder()
            .read_concern(ReadConcern::local())
            .write_concern(self.followed())
            .build();
        self.database.collection_with_options(CLIENT_IDS, options)
    }

    pub(super) fn logins(&self) -> Collection<Document> {
        self.database.collection(LOGINS)
    }

    /// Where a conversation's messages are.
    pub(super) fn messages(&self, conversation: Conversation) -> Collection<Document> {
        self.database.collection(&self.layout.collection(conversation))
    }

    /// The same, to read from.
    pub(super) fn stored(&self, conversation: Conversation) -> Collection<RawDocumentBuf> {
        self.database.collection(&self.layout.collection(conversation))
    }

    pub(super) async fn ping(&self) -> Result<(), mongodb::error::Error> {
        let primary = SelectionCriteria::ReadPreference(ReadPreference::Primary);
        let ping = self.database.run_command(doc! { "ping": 1 });
        ping.selection_criteria(primary).await.map(|_| ())
    }

    /// The client, for what concerns the server and no database.
    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the connections; what is under way fails.
    pub(super) async fn close(&self) {
        self.client.clone().shutdown().immediate(true).await;
    }
}

#[cfg(test)]
mod tests {
    use super::{super::schema, *};

    #[test]
    fn names_that_a_database_cannot_have() {
        for good in ["confab", "a", "Chat-1_é", &"x".repeat(63)] {
            assert_eq!(check_database(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "a.b",
            "a b",
            "a/b",
            "a\\b",
            "a\"b",
            "a$b",
            "a*b",
            "a<b",
            "a>b",
            "a:b",
            "a|b",
            "a?b",
            "a\0b",
            "a\nb",
            "admin",
            "local",
            "config",
            &"x".repeat(64),
        ] {
            assert!(check_database(bad).is_err(), "{bad:?}");
        }
    }

    #[tokio::test]
    async fn what_is_on_several_servers_is_durable_by_itself() {
        let uri = Some(config::Secret::from("mongodb://127.0.0.1:1".to_owned()));
        let config = config::Mongo { uri, ..config::Mongo::default() };
        let space = Settings::of(&config).unwrap().connect().await.unwrap();
        let claimed = || space.client_ids().write_concern().cloned().unwrap();
        assert_eq!(claimed().w, Some(Acknowledgment::Nodes(1)));
        assert_eq!(space.followed(), claimed());
        let hello = doc! { "isWritablePrimary": true, "msg": "isdbgrid" };
        space.clone().set_routed(schema::is_router(&hello));
        assert_eq!([claimed(), space.followed()], [durable(), durable()]);
    }

    #[test]
    fn uris_are_checked_and_not_shown() {
        for good in [
            "mongodb://localhost",
            "mongodb://u:p%40ss@a:1,b:2/?replicaSet=rs0&tls=true",
            "mongodb+srv://u:p@cluster.example.org/",
        ] {
            assert_eq!(check_uri(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "localhost:27017",
            "http://hunter2@localhost",
            "mongodb://",
            "mongodb://u:hunter2@pass@localhost/",
            "mongodb://u:hunter2/x@localhost/",
            "mongodb://u:hunter2%zz@localhost/",
            "mongodb://u:hunter2:x@localhost/",
            "mongodb://u:hunter2@localhost:99999/",
            "mongodb://u:p@localhost/?connectTimeoutMS=hunter2",
            "mongodb://localhost/?w=-5",
            "mongodb+srv://u:hunter2@a.example.org,b.example.org/",
        ] {
            let why = check_uri(bad).expect_err(bad);
            assert!(!why.contains("hunter2"), "{bad}: {why}");
            assert!(!why.contains('\n'));
        }
    }
}
