//! Reads what the server keeps, as a user of it sees it: the history and the read marks.

use std::time::{Duration, Instant};

use serde::Deserialize;

use super::{
    super::{
        error::CallError,
        http::{Http, LIMIT},
    },
    backoff::Backoff,
    device::{Plan, User},
    ledger::{Entry, fingerprint},
};

/// Messages asked for at once; a server whose pages are smaller sends fewer.
const PAGE: usize = 1000;

/// How often it is asked for before it is given up, at the least time between.
const PATIENCE: Duration = Duration::from_secs(60);

/// The whole conversation with `peer`, as `user` reads it, in the order of the pages.
///
/// Tries again for a minute when the server does not answer: somebody may be restarting it.
///
/// # Errors
/// The last failure.
pub async fn read(plan: &Plan, user: &User, peer: &User) -> Result<Vec<Entry>, CallError> {
    let mut history: Vec<Entry> = Vec::new();
    let mut reader = Reader::new(plan, user);
    loop {
        let after = history.last().map_or(0, |entry| entry.seq);
        let page = reader.history(&peer.id, after).await?;
        let empty = page.messages.is_empty();
        history.extend(page.messages.iter().map(|message| Entry {
            seq: message.seq,
            key: plan.ids.read(message.id.as_deref(), &message.from, &message.content),
            content: fingerprint(&*message.content),
        }));
        // A page that does not lead on would be asked for for ever.
        let on = history.last().is_some_and(|entry| entry.seq > after);
        if !page.more || empty || !on {
            return Ok(history);
        }
    }
}

/// Up to where `user` and `peer` have read, as `user` is told.
///
/// # Errors
/// The last failure.
pub async fn marks(plan: &Plan, user: &User, peer: &User) -> Result<[u64; 2], CallError> {
    #[derive(Deserialize)]
    struct Conversations {
        conversations: Vec<Conversation>,
    }
    #[derive(Deserialize)]
    struct Conversation {
        peer: Peer,
        #[serde(default)]
        seen: Seen,
    }
    #[derive(Deserialize)]
    struct Peer {
        user_id: String,
    }
    #[derive(Default, Deserialize)]
    struct Seen {
        mine: u64,
        theirs: u64,
    }
    let body = Reader::new(plan, user).conversations().await?;
    let read: Conversations = serde_json::from_slice(&body).map_err(|error| CallError::Broken {
        target: plan.targets.first.clone(),
        why: format!("conversations that are not understood: {error}"),
    })?;
    let found = read.conversations.into_iter().find(|found| found.peer.user_id == peer.id);
    Ok(found.map_or([0, 0], |found| [found.seen.mine, found.seen.theirs]))
}

/// Calls that are repeated until they succeed.
struct Reader<'a> {
    plan: &'a Plan,
    user: &'a User,
    http: Http,
    target: usize,
    backoff: Backoff,
    since: Instant,
}

impl<'a> Reader<'a> {
    fn new(plan: &'a Plan, user: &'a User) -> Self {
        let target = user.index as usize;
        let http = Http::new(plan.targets.nth(target));
        Self { plan, user, http, target, backoff: Backoff::default(), since: Instant::now() }
    }

    async fn history(
        &mut self,
        peer: &str,
        after: u64,
    ) -> Result<super::super::http::HistoryPage, CallError> {
        loop {
            match self.http.history(&self.user.account(), peer, after, PAGE).await {
                Ok(page) => {
                    self.succeeded();
                    return Ok(page);
                }
                Err(error) => self.failed(error).await?,
            }
        }
    }

    async fn conversations(&mut self) -> Result<bytes::Bytes, CallError> {
        loop {
            let token = self.user.account().access_token;
            let answer = self.http.get("/conversations?limit=100", Some(&token)).await;
            let refused = match answer {
                Ok(answer) if answer.status.is_success() => return Ok(answer.body),
                Ok(answer) => answer.refused().into(),
                Err(error) => error,
            };
            self.failed(refused).await?;
        }
    }

    fn succeeded(&mut self) {
        self.backoff.reset();
        self.since = Instant::now();
    }

    /// Waits, turns to the next server, and logs in if need be.
    async fn failed(&mut self, error: CallError) -> Result<(), CallError> {
        if self.since.elapsed() > PATIENCE + LIMIT {
            return Err(error);
        }
        let asked = error.refused().and_then(|refused| refused.retry_after);
        tokio::time::sleep(self.backoff.next(asked, rand::random())).await;
        self.target = self.target.wrapping_add(1);
        let target = self.plan.targets.nth(self.target);
        if error.refused().is_some_and(|refused| refused.status == 401) {
            // If it fails, the next call says so.
            let _ = self.user.login(target, &self.plan.password).await;
        }
        self.http = Http::new(target);
        Ok(())
    }
}
