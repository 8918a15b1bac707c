//! Senders that write down what they were told, and the comparison with what the daemon has.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::time::sleep;

use crate::support::{Client, Http, client::Account, client::End};

/// What one sender was told.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The place of each acknowledged message, by its id.
    pub acknowledged: BTreeMap<String, u64>,
    /// How often each code of refusal came.
    pub refused: HashMap<String, usize>,
    /// The refusals, as they came.
    pub errors: Vec<Value>,
}

/// Sends messages to one peer, several at a time, and sends again what is refused.
pub struct Sender {
    pub client: Client,
    pub ledger: Ledger,
    to: String,
    name: String,
    next: usize,
    open: Vec<String>,
    window: usize,
    size: usize,
}

impl Sender {
    /// Sends to the user id `to`, `window` messages of `size` bytes at a time; `name` makes the
    /// ids unique.
    pub fn new(client: Client, to: &str, name: &str, window: usize, size: usize) -> Self {
        let (to, name) = (to.to_owned(), name.to_owned());
        Self {
            client,
            ledger: Ledger::default(),
            to,
            name,
            next: 0,
            open: Vec::new(),
            window,
            size,
        }
    }

    /// Sends until `enough`, then waits for what is open.
    ///
    /// # Errors
    /// How the session ended.
    ///
    /// # Panics
    /// When one id is acknowledged with two places.
    pub async fn run(&mut self, mut enough: impl FnMut(&Ledger) -> bool) -> Result<(), End> {
        let me = self.client.id().to_owned();
        loop {
            let enough = enough(&self.ledger);
            while !enough && self.open.len() < self.window {
                let id = format!("{}-{}", self.name, self.next);
                self.next += 1;
                self.open.push(id.clone());
                self.offer(&id).await?;
            }
            if self.open.is_empty() {
                return Ok(());
            }
            let answer = self.client.try_next().await?;
            // A user's other sessions hear of their messages too.
            let mine = |id: &&str| id.rsplit_once('-').is_some_and(|(name, _)| name == self.name);
            let Some(id) = answer["id"].as_str().filter(mine).map(str::to_owned) else { continue };
            if answer["event"] == "error" {
                assert!(self.open.contains(&id), "{answer}");
                let code = answer["code"].as_str().expect("a code").to_owned();
                *self.ledger.refused.entry(code).or_default() += 1;
                self.ledger.errors.push(answer);
                if enough {
                    self.open.retain(|open| *open != id);
                } else {
                    sleep(Duration::from_millis(20)).await;
                    self.offer(&id).await?;
                }
            } else if answer["event"] == "message" && answer["from"] == me.as_str() {
                let seq = answer["seq"].as_u64().expect("a seq");
                assert_eq!(answer["content"], self.content(&id), "{id} comes back as it was");
                let before = self.ledger.acknowledged.insert(id.clone(), seq);
                assert!(before.is_none_or(|before| before == seq), "{id}: {before:?} and {seq}");
                self.open.retain(|open| *open != id);
            }
        }
    }

    async fn offer(&mut self, id: &str) -> Result<(), End> {
        let frame =
            json!({"event":"message","to":self.to,"content":self.content(id),"id":id}).to_string();
        self.client.try_send(frame).await
    }

    /// The text of the message with this id: made from it, so that it can be checked.
    fn content(&self, id: &str) -> String {
        content(id, self.size)
    }

    /// Compares what this sender was told with the history of its conversation.
    pub fn check(&self, history: &History) {
        for (id, seq) in &self.ledger.acknowledged {
            let found = history.by_id.get(id);
            assert_eq!(found.map(|found| found.0), Some(*seq), "{id} was acknowledged as {seq}");
            assert_eq!(found.map(|found| &found.1), Some(&self.content(id)), "the text of {id}");
        }
    }

    /// How many of the acknowledged messages are not in the history, or at another place.
    pub fn lost(&self, history: &History) -> usize {
        let there = |id: &String, seq: &u64| history.by_id.get(id).is_some_and(|it| it.0 == *seq);
        self.ledger.acknowledged.iter().filter(|(id, seq)| !there(id, seq)).count()
    }
}

fn content(id: &str, size: usize) -> String {
    let mut text = format!("{id} ").repeat(size / (id.len() + 1) + 1);
    text.truncate(size.max(id.len()));
    text
}

/// A conversation as the daemon tells it.
#[derive(Debug, Default)]
pub struct History {
    /// Place and text, by id.
    pub by_id: HashMap<String, (u64, String)>,
    /// The moments, in the order of the messages.
    pub moments: Vec<String>,
}

impl History {
    /// Reads a whole conversation.
    ///
    /// # Panics
    /// When it has a hole, a message twice, or a moment before the one that precedes it.
    pub fn read(http: &Http, reader: &Account, peer: &str) -> Self {
        let mut history = Self::default();
        loop {
            let after = history.moments.len();
            let path = format!("/conversations/{peer}/messages?limit=100&after={after}");
            let page = http.get_json(&path, &reader.token);
            for message in page["messages"].as_array().expect("a list") {
                let text = |key: &str| message[key].as_str().expect("a text").to_owned();
                let seq = message["seq"].as_u64().expect("a seq");
                assert_eq!(seq as usize, history.moments.len() + 1, "no hole");
                assert!(history.moments.last() <= Some(&text("at")), "{message}");
                history.moments.push(text("at"));
                let before = history.by_id.insert(text("id"), (seq, text("content")));
                assert_eq!(before, None, "{message} is there twice");
            }
            if page["more"] == false {
                return history;
            }
        }
    }
}
