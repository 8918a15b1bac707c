//! Clients under load: a sender that retries, and a reader that checks what it sees.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{task::JoinHandle, time::sleep};

use crate::support::{Client, client::End};

/// Messages of one sender that may be unanswered.
const WINDOW: usize = 8;

/// What a sender was told.
#[derive(Debug, Default)]
pub struct Sent {
    /// The messages that were acknowledged, by their id.
    pub acknowledged: BTreeMap<String, u64>,
    /// The codes of the errors it was sent.
    pub errors: HashMap<String, usize>,
}

/// Sends until `stop` or until there are `count`, trying again what was refused.
///
/// # Panics
/// When the session ends, or one id is acknowledged with two places.
pub async fn send(
    client: &mut Client,
    to: &str,
    name: &str,
    count: usize,
    stop: &AtomicBool,
) -> Sent {
    let (mut sent, mut next) = (Sent::default(), 0);
    let mut open: Vec<String> = Vec::new();
    let me = client.id().to_owned();
    let frame = |id: &str| json!({"event":"message","to":to,"content":id,"id":id});
    loop {
        while open.len() < WINDOW && next < count && !stop.load(Ordering::Relaxed) {
            let id = format!("{name}-{next}");
            next += 1;
            client.feed(frame(&id)).await;
            open.push(id);
        }
        client.flush().await;
        if open.is_empty() {
            return sent;
        }
        let answer = client.next().await;
        let Some(id) = answer["id"].as_str().map(str::to_owned) else { continue };
        // The user's other devices send too.
        if !open.contains(&id) {
            continue;
        }
        if answer["event"] == "error" {
            let code = answer["code"].as_str().expect("a code").to_owned();
            *sent.errors.entry(code).or_default() += 1;
            sleep(Duration::from_millis(100)).await;
            client.send(frame(&id)).await;
        } else {
            assert_eq!(answer["from"], me.as_str());
            let seq = answer["seq"].as_u64().expect("a seq");
            let before = sent.acknowledged.insert(id.clone(), seq);
            assert!(before.is_none_or(|before| before == seq), "{id}: {before:?} and {seq}");
            open.retain(|other| *other != id);
        }
    }
}

/// What a reader has seen: the ids, by their place.
pub type Seen = Arc<Mutex<BTreeMap<u64, String>>>;

/// Reads until the session ends, and checks that nothing comes twice or out of order.
pub fn read(mut client: Client) -> (Seen, JoinHandle<End>) {
    let seen = Seen::default();
    let result = Arc::clone(&seen);
    let task = tokio::spawn(async move {
        loop {
            let frame = match client.try_next().await {
                Ok(frame) if frame["event"] == "message" => frame,
                Ok(_) => continue,
                Err(end) => return end,
            };
            note(&seen, &frame, true);
        }
    });
    (result, task)
}

/// Notes a message; `live` ones come in order.
pub fn note(seen: &Seen, frame: &Value, live: bool) {
    let seq = frame["seq"].as_u64().expect("a seq");
    let id = frame["id"].as_str().expect("an id").to_owned();
    let mut seen = seen.lock().expect("seen");
    if live {
        let last = seen.last_key_value().map_or(0, |(seq, _)| *seq);
        assert!(seq > last, "{seq} after {last}");
    }
    if let Some(other) = seen.insert(seq, id.clone()) {
        assert_eq!(other, id, "one message at a place");
    }
}

/// The whole conversation with `peer`, from the history.
pub fn history(node: &crate::support::Daemon, token: &str, peer: &str) -> BTreeMap<u64, String> {
    let mut all = BTreeMap::new();
    loop {
        let after = all.last_key_value().map_or(0, |(seq, _)| *seq);
        let path = format!("/conversations/{peer}/messages?limit=100&after={after}");
        let page = node.http().get_json(&path, token);
        for message in page["messages"].as_array().expect("a list") {
            let id = message["id"].as_str().expect("an id").to_owned();
            all.insert(message["seq"].as_u64().expect("a seq"), id);
        }
        if page["more"] == false {
            return all;
        }
    }
}

/// Checks that the history has 1…n without a hole, each acknowledged message at its place, and
/// no message twice.
pub fn check(history: &BTreeMap<u64, String>, sent: &[&Sent]) {
    assert!(history.keys().copied().eq(1..=history.len() as u64), "no hole");
    let mut places: HashMap<&str, u64> = HashMap::new();
    for (seq, id) in history {
        assert!(places.insert(id, *seq).is_none(), "{id} is there twice");
    }
    for (id, seq) in sent.iter().flat_map(|sent| &sent.acknowledged) {
        assert_eq!(places.get(id.as_str()), Some(seq), "{id} was acknowledged");
    }
}
