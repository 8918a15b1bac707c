//! The answer to `sync`: what a user lacks who was away.

use std::{borrow::Cow, collections::HashMap, sync::Arc};

use confab_plugin::UserId;

use super::{Dispatch, report};
use crate::{
    code::{Code, Refusal},
    hub::Session,
    store::{ChangeQuery, Changes, PeerRange},
    values,
    wire::Frame,
};

/// The most characters of a client's text that an error repeats.
const QUOTED: usize = 40;

impl Dispatch {
    /// Answers a `sync`, with its own id. Sessions are in the hub before they may ask: so what is
    /// stored while the answer is read comes live, before the answer or behind it.
    pub(super) async fn sync(
        &self,
        session: &Arc<Session>,
        have: HashMap<Cow<'_, str>, u64>,
        between: [Option<Cow<'_, str>>; 2],
        id: Option<&str>,
    ) {
        let answer = match self.changes(session.user().id, have, between, id).await {
            Ok(changes) => Frame::sync(&changes, id),
            Err(refusal) => Frame::error(&refusal, id),
        };
        session.outbox().push(answer);
    }

    async fn changes(
        &self,
        user: UserId,
        have: HashMap<Cow<'_, str>, u64>,
        between: [Option<Cow<'_, str>>; 2],
        id: Option<&str>,
    ) -> Result<Changes, Refusal> {
        id.map_or(Ok(()), values::check_client_id)?;
        let between = range(&between)?;
        let mut known = HashMap::with_capacity(have.len());
        for (name, seq) in have {
            let peer = self.peer(&name).await?;
            if !between.contains(peer) {
                let name = quoted(&name);
                return Err(invalid(format!("`have` names {name}, who is not in `between`.")));
            }
            // Of a peer who is named twice, the less: what is told twice does no harm.
            known.entry(peer).and_modify(|least: &mut u64| *least = seq.min(*least)).or_insert(seq);
        }
        let query = ChangeQuery { have: known, between, limit: self.sync };
        self.store.changes_since(user, query).await.map_err(|error| {
            report("changes_since", &error);
            error.into()
        })
    }

    /// Whom `have` names. An id is not looked up: with one that nobody has there is nothing to
    /// tell, and a client may name a thousand when its server has just started.
    async fn peer(&self, name: &str) -> Result<UserId, Refusal> {
        if let Ok(id) = name.parse() {
            return Ok(id);
        }
        let found = self.find(name).await.map_err(|refusal| match &*refusal.code {
            code if code == Code::UnknownUser.as_str() => {
                let name = quoted(name);
                Refusal::new(Code::UnknownUser, format!("`have` names {name}: no such user."))
            }
            _ => refusal,
        })?;
        Ok(found.user.id)
    }
}

/// Reads `between`.
fn range(between: &[Option<Cow<'_, str>>; 2]) -> Result<PeerRange, Refusal> {
    let end = |text: &Option<Cow<'_, str>>| match text {
        None => Ok(None),
        Some(text) => text
            .parse()
            .map(Some)
            .map_err(|error| invalid(format!("`between` has {}, which is {error}.", quoted(text)))),
    };
    let [from, to] = between;
    let range = PeerRange { from: end(from)?, to: end(to)? };
    match range {
        PeerRange { from: Some(from), to: Some(to) } if from > to => {
            Err(invalid(format!("`between` ends before it begins: {from} is after {to}.")))
        }
        range => Ok(range),
    }
}

fn invalid(message: String) -> Refusal {
    Refusal::new(Code::InvalidParameter, message)
}

/// The begin of a client's text, with what could hide in it made visible.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(QUOTED).collect::<String>())
}
