//! The accounts that take part: made when they are missing, logged in when they exist.

use std::time::Duration;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;

use super::{
    error::CallError,
    http::{Account, Http},
    progress::Progress,
    socket::{TokenIn, find_token_in},
    target::Target,
};

/// How long to wait when a server says that there were too many attempts, and not for how long.
const WAIT: Duration = Duration::from_secs(5);

/// Accounts that are made at the same time: each costs the server a password hash.
const AT_ONCE: usize = 4;

/// Who takes part, and where.
#[derive(Debug)]
pub struct Crowd {
    /// The nodes of one server; never empty.
    pub targets: Vec<Target>,
    /// The users; never empty.
    pub accounts: Vec<Account>,
    /// Where the server wants a session's token.
    pub token_in: TokenIn,
}

/// How the accounts came about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Accounts {
    /// Made.
    pub registered: u64,
    /// There already.
    pub logged_in: u64,
    /// Seconds spent waiting because the server allows only so many attempts.
    pub waited_seconds: f64,
}

/// What the accounts are called.
#[derive(Clone, Copy, Debug)]
pub struct Names<'a> {
    /// Account `n`, from 1 on, is `PREFIX-n`.
    pub prefix: &'a str,
    /// The password of all.
    pub password: &'a str,
}

impl Crowd {
    /// `users` accounts, at least one, on the first of the targets, and a first session on each.
    ///
    /// # Errors
    /// When an account can be neither made nor logged in, or a target takes no session.
    pub async fn gather(
        targets: Vec<Target>,
        users: usize,
        names: Names<'_>,
        progress: &mut Progress,
    ) -> Result<(Self, Accounts), CallError> {
        let Some(first) = targets.first() else {
            let nowhere = std::io::Error::other("no server is named");
            return Err(CallError::Local(nowhere));
        };
        let mut how = Accounts::default();
        let mut accounts = Vec::with_capacity(users);
        // Whether the first exists tells what to try first for the others.
        let mut http = Http::new(first);
        let mut exists = false;
        let mut waiting = Waiting { progress, waited: Duration::ZERO };
        for number in 1..=users.clamp(1, AT_ONCE) {
            accounts
                .push(enter(&mut http, names, number, &mut exists, &mut how, &mut waiting).await?);
        }
        if users > AT_ONCE {
            accounts.extend(
                many(first, AT_ONCE + 1..=users, names, exists, &mut how, &mut waiting).await?,
            );
        }
        how.waited_seconds = waiting.waited.as_secs_f64();
        let mut token_in = TokenIn::Header;
        if let Some(account) = accounts.first() {
            for target in &targets {
                token_in = find_token_in(target, account).await?;
            }
        }
        Ok((Self { targets, accounts, token_in }, how))
    }

    /// The account of session number `session`.
    pub fn account(&self, session: usize) -> &Account {
        // Never empty.
        &self.accounts[session % self.accounts.len()]
    }

    /// The target of session number `session`.
    pub fn target(&self, session: usize) -> &Target {
        // Never empty.
        &self.targets[session % self.targets.len()]
    }
}

/// The rest of the accounts, some at the same time, in the order of their numbers.
async fn many(
    target: &Target,
    numbers: std::ops::RangeInclusive<usize>,
    names: Names<'_>,
    exists: bool,
    how: &mut Accounts,
    waiting: &mut Waiting<'_>,
) -> Result<Vec<Account>, CallError> {
    let mut accounts = Vec::new();
    let mut next = *numbers.start();
    while next <= *numbers.end() {
        let attempts = stream::iter(next..=*numbers.end())
            .map(|number| async move {
                let mut http = Http::new(target);
                attempt(&mut http, names, number, exists).await
            })
            .buffered(AT_ONCE);
        let mut attempts = std::pin::pin!(attempts);
        loop {
            match attempts.try_next().await {
                Ok(Some((account, registered))) => {
                    accounts.push(account);
                    how.note(registered);
                    next += 1;
                    waiting
                        .progress
                        .tick(|| format!("accounts: {} of {}", next - 1, numbers.end()));
                }
                Ok(None) => break,
                // Those after it were asked for too; they exist when they are tried again.
                Err(error) => {
                    let Some(wait) = too_many(&error) else { return Err(error) };
                    waiting.wait(wait).await;
                    break;
                }
            }
        }
    }
    Ok(accounts)
}

/// One account, however long the server makes it wait.
async fn enter(
    http: &mut Http,
    names: Names<'_>,
    number: usize,
    exists: &mut bool,
    how: &mut Accounts,
    waiting: &mut Waiting<'_>,
) -> Result<Account, CallError> {
    loop {
        match attempt(http, names, number, *exists).await {
            Ok((account, registered)) => {
                *exists = !registered;
                how.note(registered);
                return Ok(account);
            }
            Err(error) => match too_many(&error) {
                Some(wait) => waiting.wait(wait).await,
                None => return Err(error),
            },
        }
    }
}

/// Registers or logs in, first what is likelier to succeed; says whether it registered.
async fn attempt(
    http: &mut Http,
    Names { prefix, password }: Names<'_>,
    number: usize,
    exists: bool,
) -> Result<(Account, bool), CallError> {
    let name = format!("{prefix}-{number}");
    if exists {
        match http.login(&name, password).await {
            Ok(account) => return Ok((account, false)),
            Err(error) if error.refused().is_some_and(|refused| refused.status == 401) => {}
            Err(error) => return Err(error),
        }
    }
    match http.register(&name, password).await {
        Ok(account) => Ok((account, true)),
        Err(error) if error.refused().is_some_and(|refused| refused.status == 409) => {
            Ok((http.login(&name, password).await?, false))
        }
        Err(error) => Err(error),
    }
}

/// How long to wait, if the server refused because there were too many attempts.
fn too_many(error: &CallError) -> Option<Duration> {
    let refused = error.refused().filter(|refused| matches!(refused.status, 429 | 503))?;
    // A server that is not there for other reasons is not waited for.
    (refused.status == 429 || refused.retry_after.is_some())
        .then(|| refused.retry_after.unwrap_or(WAIT).max(Duration::from_secs(1)))
}

impl Accounts {
    fn note(&mut self, registered: bool) {
        *(if registered { &mut self.registered } else { &mut self.logged_in }) += 1;
    }
}

/// Waits where the server asks for it, and says so.
struct Waiting<'a> {
    progress: &'a mut Progress,
    waited: Duration,
}

impl Waiting<'_> {
    async fn wait(&mut self, time: Duration) {
        if self.waited.is_zero() {
            self.progress.say(&format!(
                "the server allows only so many registrations and logins: waiting {} s as it \
                 asks. confab's key for it is limits.auth_rate; 0 means no limit",
                time.as_secs()
            ));
        }
        self.waited += time;
        tokio::time::sleep(time).await;
    }
}
