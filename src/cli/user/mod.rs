//! `confab user`: accounts, beside a running daemon or without one.

mod list;
mod password;
mod store;

use std::{fmt::Display, process::ExitCode, sync::Arc};

use clap::{Args, Subcommand};
use confab_plugin::{UserId, Username};

use self::password::Wanted;
use super::{FAILURE, output};
use crate::{
    auth::Passwords,
    config::{Config, Loaded, Secret},
    store::{Account, AccountChange, Standing, Store, StoreError, Timestamp},
    values,
};

/// The help of the command.
pub(super) const ABOUT: &str = "\
Makes, lists and changes accounts in the store of the configuration: give it the same \
configuration as the daemon, and run it as the daemon's user.

It works beside running daemons and without one. They notice a change by themselves, within \
auth.account_poll (250ms): who is disabled or deleted, has a new password or was logged out loses \
all sessions, on every node, and all older tokens are refused.

A USER is a name, or an id. Plugins are not asked: not even those that watch registrations. \
docs/accounts.md has more.";

/// The arguments.
#[derive(Debug, Args)]
pub(super) struct User {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Make an account. Asks for its password
    Add {
        /// The name to log in with: 2 to 32 of a-z 0-9 . _ -, first a letter or a digit
        #[arg(value_name = "NAME")]
        name: String,
        /// The name to show
        #[arg(long, value_name = "TEXT")]
        display_name: Option<String>,
        #[command(flatten)]
        password: Wanted,
    },
    /// List all accounts, by name
    List {
        /// As a JSON array of objects
        #[arg(long)]
        json: bool,
    },
    /// Give a user another password, and end their sessions. Asks for it
    Passwd {
        #[command(flatten)]
        who: Who,
        #[command(flatten)]
        password: Wanted,
    },
    /// Let a user in no more, and end their sessions. What they wrote stays
    Disable(Who),
    /// Let a disabled user log in again
    Enable(Who),
    /// End all sessions of a user: they can log in again at once
    Logout(Who),
    /// Take a user's password and display name away for ever, and end their sessions. What they
    /// wrote stays, and so does the name: nobody else can have it
    Delete {
        #[command(flatten)]
        who: Who,
        /// Do not ask whether it is meant
        #[arg(long, short)]
        yes: bool,
    },
}

/// Whose account.
#[derive(Debug, Args)]
struct Who {
    /// The user's name, or their id
    #[arg(value_name = "USER")]
    user: String,
}

/// Why it failed, in one line.
#[derive(Debug)]
pub(super) struct Failed(String);

impl Failed {
    fn new(why: impl Display) -> Self {
        Self(why.to_string())
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(match error {
            StoreError::Unavailable(why) => format!("the store does not answer: {why}"),
            other => other.to_string(),
        })
    }
}

/// Runs the command.
pub(super) fn run(loaded: &Loaded, user: User) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let done = runtime.map_err(Failed::new).and_then(|runtime| {
        runtime.block_on(async {
            let create = matches!(user.what, What::Add { .. });
            let store = store::open(&loaded.config, create).await?;
            let done = work(&loaded.config, store.as_ref(), user.what).await;
            store.close().await;
            done
        })
    });
    match done {
        Ok(said) => output::to_stdout(&said),
        Err(Failed(why)) => {
            output::to_stderr(&format!("error: {why}"));
            ExitCode::from(FAILURE)
        }
    }
}

/// Returns what there is to say.
async fn work(config: &Config, store: &dyn Store, what: What) -> Result<String, Failed> {
    let ended = format!("their sessions end within {}", config.auth.account_poll);
    match what {
        What::Add { name, display_name, password } => {
            add(config, store, &name, display_name, password).await
        }
        What::List { json } => list::all(store, json).await.map(|()| String::new()),
        What::Passwd { who, password } => {
            let account = find(store, &who.user).await?;
            let hash = hash(config, password).await?;
            let change = AccountChange::Password { hash, epoch: None };
            let account = change_of(store, &account, change).await?;
            let still = account.standing.disabled.map_or("", |_| ", who is still disabled");
            Ok(format!("new password for {}{still}; {ended}\n", account.username))
        }
        What::Disable(who) => {
            let account = find(store, &who.user).await?;
            if account.standing.disabled.is_some() {
                return Ok(format!("{} is disabled already\n", account.username));
            }
            change_of(store, &account, AccountChange::Disable(Timestamp::now())).await?;
            Ok(format!("disabled {}; {ended}\n", account.username))
        }
        What::Enable(who) => {
            let account = find(store, &who.user).await?;
            if account.standing.disabled.is_none() {
                return Ok(format!("{} is not disabled\n", account.username));
            }
            change_of(store, &account, AccountChange::Enable).await?;
            Ok(format!("enabled {}\n", account.username))
        }
        What::Logout(who) => {
            let account = find(store, &who.user).await?;
            change_of(store, &account, AccountChange::EndSessions).await?;
            Ok(format!("logged out {}; {ended}\n", account.username))
        }
        What::Delete { who, yes } => {
            let account = find(store, &who.user).await?;
            if !yes {
                password::confirm(&format!("Delete {} for ever?", account.username)).await?;
            }
            change_of(store, &account, AccountChange::Delete(Timestamp::now())).await?;
            Ok(format!("deleted {}; {ended}\n", account.username))
        }
    }
}

async fn add(
    config: &Config,
    store: &dyn Store,
    name: &str,
    display_name: Option<String>,
    password: Wanted,
) -> Result<String, Failed> {
    let username: Username = name.parse().map_err(Failed::new)?;
    if let Some(name) = &display_name {
        values::check_display_name(name).map_err(|refusal| Failed::new(refusal.message))?;
    }
    let taken = || Failed(format!("the name {username} is taken"));
    if store.account_by_name(&username).await?.is_some() {
        return Err(taken());
    }
    let account = Account {
        id: UserId::generate(),
        username: username.clone(),
        display_name: display_name.map(Into::into),
        password_hash: hash(config, password).await?,
        created_at: Timestamp::now(),
        standing: Standing::default(),
    };
    let id = account.id;
    match store.create_account(account).await {
        Ok(()) => Ok(format!("added {username}, id {id}\n")),
        Err(StoreError::UsernameTaken) => Err(taken()),
        Err(error) => Err(error.into()),
    }
}

/// The account of a user who can be changed.
async fn find(store: &dyn Store, user: &str) -> Result<Account, Failed> {
    let name = user.strip_prefix('@').unwrap_or(user);
    let by_id = match user.parse::<UserId>() {
        Ok(id) => store.account_by_id(id).await?,
        Err(_) => None,
    };
    let found = match (by_id, name.parse::<Username>()) {
        (Some(account), _) => Some(account),
        (None, Ok(name)) => store.account_by_name(&name).await?,
        (None, Err(why)) => {
            return Err(Failed(format!("no user \"{}\": {why}", user.escape_debug())));
        }
    };
    let account = found.ok_or_else(|| Failed(format!("there is no user {name}")))?;
    if account.is_bot() {
        let why = "belongs to a plugin: take its entry out of the configuration";
        return Err(Failed(format!("{} {why}", account.username)));
    }
    if account.standing.deleted.is_some() {
        return Err(Failed(format!("{} is deleted", account.username)));
    }
    Ok(account)
}

async fn change_of(
    store: &dyn Store,
    account: &Account,
    change: AccountChange,
) -> Result<Account, Failed> {
    let changed = store.change_account(account.id, change).await?;
    changed.ok_or_else(|| Failed(format!("{} was deleted meanwhile", account.username)))
}

/// The hash of the password that the operator gives.
async fn hash(config: &Config, password: Wanted) -> Result<Arc<str>, Failed> {
    let passwords = Passwords::new(&config.auth).map_err(Failed::new)?;
    let password = tokio::task::spawn_blocking(move || password.get()).await;
    let password = Secret::from(password.map_err(Failed::new)??);
    passwords.check_new(&password).map_err(Failed::new)?;
    Ok(passwords.hash(password).await.map_err(Failed::new)?.into())
}
