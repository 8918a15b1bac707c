//! The accounts under which plugins send messages.

use std::{
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};

use async_trait::async_trait;
use confab_plugin::{
    HookError, Job, JobError, SendError, User, UserId, Username,
    host::{BotAccount, Queue, backoff},
};

use super::{Dispatch, report};
use crate::{
    chain::Bots,
    code::Code,
    store::{Account, Standing, Store, StoreError, Timestamp},
};

/// The pauses between attempts to find or make an account.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Bots whose messages go the way of a client's.
///
/// It does not keep the dispatcher alive: the chain, which holds the bots, is a part of that.
pub struct DispatchBots(Weak<Dispatch>);

impl DispatchBots {
    /// Bots that send through `dispatch`.
    pub fn new(dispatch: &Arc<Dispatch>) -> Self {
        Self(Arc::downgrade(dispatch))
    }
}

impl Bots for DispatchBots {
    fn bot(
        &self,
        entry: &Arc<str>,
        name: Username,
        display_name: Option<&str>,
        queue: Arc<dyn Queue>,
    ) -> Arc<dyn BotAccount> {
        let bot = Arc::new(Bot {
            dispatch: Weak::clone(&self.0),
            entry: Arc::clone(entry),
            name,
            display_name: display_name.map(Arc::from),
            user: OnceLock::new(),
            queue,
        });
        tokio::spawn(settle(Arc::downgrade(&bot)));
        bot
    }
}

struct Bot {
    dispatch: Weak<Dispatch>,
    entry: Arc<str>,
    name: Username,
    display_name: Option<Arc<str>>,
    /// Set once the account is known.
    user: OnceLock<Arc<User>>,
    queue: Arc<dyn Queue>,
}

impl BotAccount for Bot {
    fn id(&self) -> Option<UserId> {
        self.user.get().map(|user| user.id)
    }

    fn send(&self, to: UserId, content: Arc<str>, id: Option<Arc<str>>) -> Result<(), SendError> {
        let user = Arc::clone(self.user.get().ok_or(SendError::NotReady)?);
        // Every attempt has the same id, so that a message is stored once.
        let id = id.unwrap_or_else(|| format!("bot-{}", UserId::generate()).into());
        let (dispatch, entry) = (Weak::clone(&self.dispatch), Arc::clone(&self.entry));
        let job = Send { dispatch, entry, user, to, content, id };
        self.queue.push(Box::new(job)).map_err(|_| SendError::QueueFull)
    }
}

/// Finds or makes a bot's account, and does not give up while the store is away.
async fn settle(bot: Weak<Bot>) {
    for attempt in 1.. {
        let Some(bot) = bot.upgrade() else { return };
        let Some(dispatch) = bot.dispatch.upgrade() else { return };
        match find_or_make(&*dispatch.store, &bot).await {
            Ok(Some(user)) => {
                tracing::info!(plugin = &*bot.entry, bot = %user.name, id = %user.id, "a bot is ready");
                let _ = bot.user.set(user);
                return;
            }
            Ok(None) => {
                tracing::error!(
                    plugin = &*bot.entry,
                    bot = %bot.name,
                    "the account belongs to a person: give the bot another name"
                );
                return;
            }
            Err(error) => report("find_account", &error),
        }
        drop((bot, dispatch));
        tokio::time::sleep(backoff(attempt, FIRST_PAUSE, LONGEST_PAUSE)).await;
    }
}

/// `None` if the name is a person's.
async fn find_or_make(store: &dyn Store, bot: &Bot) -> Result<Option<Arc<User>>, StoreError> {
    let account = match store.account_by_name(&bot.name).await? {
        Some(account) => account,
        None => {
            let account = Account {
                id: UserId::generate(),
                username: bot.name.clone(),
                display_name: bot.display_name.clone(),
                password_hash: Account::BOT.into(),
                created_at: Timestamp::now(),
                standing: Standing::default(),
            };
            match store.create_account(account.clone()).await {
                Ok(()) => account,
                // Another node was faster.
                Err(StoreError::UsernameTaken) => match store.account_by_name(&bot.name).await? {
                    Some(account) => account,
                    None => return Err(StoreError::Unavailable("the account vanished".into())),
                },
                Err(error) => return Err(error),
            }
        }
    };
    let user = || Arc::new(User { id: account.id, name: account.username.clone() });
    Ok(account.is_bot().then(user))
}

/// Sends one message.
struct Send {
    dispatch: Weak<Dispatch>,
    entry: Arc<str>,
    user: Arc<User>,
    to: UserId,
    content: Arc<str>,
    id: Arc<str>,
}

#[async_trait]
impl Job for Send {
    async fn run(&mut self, _attempt: u32) -> Result<(), JobError> {
        let Some(dispatch) = self.dispatch.upgrade() else {
            return Err(JobError::GiveUp(HookError::new("the server is stopping")));
        };
        let id = Arc::clone(&self.id);
        let sent = dispatch.send_for(&self.user, &self.entry, self.to, &self.content, id).await;
        sent.map_err(|refusal| {
            let error = HookError::new(format!("{}: {}", refusal.code, refusal.message));
            let passing = [Code::Unavailable, Code::Overloaded, Code::Internal, Code::PluginFailed];
            if refusal.retry_after.is_some() || passing.iter().any(|c| c.as_str() == refusal.code) {
                JobError::Retry(error)
            } else {
                JobError::GiveUp(error)
            }
        })
    }
}
