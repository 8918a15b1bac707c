//! A message that is sent again has its effects once: no hook judges again what is stored, on any
//! node, after any restart, and however many sessions send it at once.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::{
    Client, Daemon,
    endpoint::{Endpoint, Mood},
    wait::until,
};

/// Messages that one user may send to one node in an hour.
const BURST: u64 = 21;

fn limited() -> String {
    format!(
        "[[plugins]]\nuse = \"ratelimit\"\noptions = {{ rules = [\n\
         {{ per = \"user\", kinds = [\"message\"], events = 1, every = \"1h\", burst = {BURST} }}\n\
         ] }}\n"
    )
}

fn moderated(service: &Endpoint) -> String {
    let url = service.url();
    format!(
        "[[plugins]]\nuse = \"webhook\"\nname = \"nice\"\ntimeout = \"10s\"\n\
         options = {{ mode = \"moderate\", url = \"{url}\" }}\n"
    )
}

fn message(to: &str, content: &str, id: &str) -> Value {
    json!({"event":"message","to":to,"content":content,"id":id})
}

/// Sends messages to bob, one after the other without waiting, and returns the answers.
async fn send_all(ann: &mut Client, ids: impl Iterator<Item = u64> + Clone) -> Vec<Value> {
    for n in ids.clone() {
        ann.feed(message("@bob", &format!("message {n}"), &format!("m{n}"))).await;
    }
    ann.flush().await;
    let mut answers = Vec::new();
    for n in ids {
        let answer = ann.next().await;
        assert_eq!(answer["id"], format!("m{n}"), "answers keep their order: {answer}");
        answers.push(answer);
    }
    answers
}

#[tokio::test]
async fn a_retry_takes_no_token_and_is_not_refused() {
    let mut daemon = Daemon::start(&limited());
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let mut stored = send_all(&mut ann, 1..BURST).await;
    assert!(stored.iter().zip(1u64..).all(|(answer, seq)| answer["seq"] == seq), "{stored:?}");
    for original in &stored {
        assert_eq!(bob.next().await, *original);
    }

    let mut last = BURST;
    for ended in ["not at all", "by a signal", "by a kill"] {
        if ended != "not at all" {
            daemon.restart(ended == "by a kill");
        }
        let mut again = Client::connect(daemon.address(), &ann.account).await;
        for _ in 0..2 {
            assert_eq!(send_all(&mut again, 1..last).await, stored, "ended {ended}");
        }
        // What the node has left: it counts in its memory.
        let left = if ended == "not at all" { 1 } else { BURST };
        let fresh = send_all(&mut again, last..last + left).await;
        assert!(fresh.iter().all(|answer| answer["event"] == "message"), "{ended}: {fresh:?}");
        stored.extend(fresh);
        last += left;
        let over = send_all(&mut again, last..last + 1).await;
        assert_eq!(over[0]["code"], "rate_limited", "ended {ended}");
        // And there the stored ones are still known, and the other one is still too much.
        assert_eq!(send_all(&mut again, 1..last).await, stored, "ended {ended}");
        assert_eq!(send_all(&mut again, last..last + 1).await[0]["code"], "rate_limited");
    }

    if let Some(other) = daemon.another_node() {
        let mut ann = Client::connect(other.address(), &ann.account).await;
        assert_eq!(send_all(&mut ann, 1..last).await, stored, "on another node");
        let fresh = send_all(&mut ann, last..last + BURST).await;
        assert!(fresh.iter().all(|answer| answer["event"] == "message"), "{fresh:?}");
        assert_eq!(
            send_all(&mut ann, last + BURST..last + BURST + 1).await[0]["code"],
            "rate_limited"
        );
    }
}

#[tokio::test]
async fn a_service_is_asked_once_about_a_message() {
    let service = Endpoint::start(Mood::Slow).await;
    let mut daemon = Daemon::start(&moderated(&service));
    let (mut one, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let mut two = Client::connect(daemon.address(), &one.account).await;
    for _ in 0..25 {
        for session in [&mut one, &mut two] {
            session.feed(message("@bob", "hello", "same")).await;
        }
    }
    for session in [&mut one, &mut two] {
        session.flush().await;
    }
    let original = bob.next().await;
    for session in [&mut one, &mut two] {
        // The other session's copy may come as a delivery too, which looks the same.
        for _ in 0..25 {
            assert_eq!(session.next().await, original);
        }
    }
    assert_eq!(service.asked(), 1, "while it was on its way");
    assert!(bob.is_quiet().await);

    for crash in [false, true] {
        daemon.restart(crash);
        let mut ann = Client::connect(daemon.address(), &one.account).await;
        ann.send(message("@bob", "hello", "same")).await;
        assert_eq!(ann.next().await, original);
    }
    if let Some(other) = daemon.another_node() {
        let mut ann = Client::connect(other.address(), &one.account).await;
        ann.send(message("@bob", "hello", "same")).await;
        assert_eq!(ann.next().await, original, "on another node");
    }
    assert_eq!(service.asked(), 1, "once it was stored");

    let mut ann = Client::connect(daemon.address(), &one.account).await;
    ann.send(message("@ann", "hello", "same")).await;
    let reused = ann.next().await;
    assert_eq!((&reused["code"], &reused["id"]), (&json!("id_reused"), &json!("same")));
    assert_eq!(service.asked(), 1, "an id that is taken is refused before");

    // What is refused is not stored: sent again later, it is judged again.
    for asked in 2..=3 {
        ann.send(message("@bob", "refuse me", "no")).await;
        assert_eq!(ann.next().await["code"], "not_nice");
        assert_eq!(service.asked(), asked);
    }
}

/// The old session dies while its message is judged, and the new one has sent it again.
#[tokio::test]
async fn who_comes_second_takes_over_from_a_session_that_died() {
    let service = Endpoint::start(Mood::HangsFirst).await;
    let chain = moderated(&service).replace("10s", "30s");
    let daemon = Daemon::start(&chain);
    let (mut old, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let mut new = Client::connect(daemon.address(), &old.account).await;
    old.send(message("@bob", "hello", "same")).await;
    until("it is judged", async || (service.asked() == 1).then_some(())).await;
    new.feed(message("@bob", "hello", "same")).await;
    new.feed(message("@bob", "and more", "next")).await;
    new.flush().await;
    drop(old);
    // A session that is busy learns that its client is gone when it writes.
    let connections = "confab_websocket_connections";
    until("the old session is closed", async || {
        bob.send(json!({"event":"typing","to":"@ann"})).await;
        (daemon.metric(connections) == 2.0).then_some(())
    })
    .await;
    for (content, seq) in [("hello", 1), ("and more", 2)] {
        let echo = new.next_event("message").await;
        assert_eq!((&echo["content"], &echo["seq"]), (&json!(content), &json!(seq)), "{echo}");
        assert_eq!(bob.next().await, echo);
    }
    assert!(bob.is_quiet().await, "one copy of each");
    assert_eq!(service.asked(), 3, "it was judged anew");
}

#[tokio::test]
async fn what_is_stored_is_not_refused_by_a_stricter_chain() {
    let filter = |deny: &str| {
        format!(
            "[[plugins]]\nuse = \"filter\"\noptions = {{ deny = [\"{deny}\"], mask_words = [\"darn\"] }}\n"
        )
    };
    let mut daemon = Daemon::start(&filter("never"));
    let mut ann = daemon.client("ann").await;
    daemon.client("bob").await;
    ann.send(message("@bob", "hello, darn", "m1")).await;
    let original = ann.next().await;
    assert_eq!(original["content"], "hello, ****");
    daemon.configure(&filter("hello"));
    daemon.restart(false);
    let mut ann = Client::connect(daemon.address(), &ann.account).await;
    ann.send(message("@bob", "hello, darn", "m1")).await;
    assert_eq!(ann.next().await, original);
    ann.send(message("@bob", "hello, darn", "m2")).await;
    assert_eq!(ann.next().await["code"], "content_denied");
}

/// Every plugin that acts once a message is decided, behind one that judges and in a chain
/// without: each of them acts once.
#[tokio::test]
async fn what_looks_on_acts_once() {
    for judge in ["", "[[plugins]]\nuse = \"spam\"\n[[plugins]]\nuse = \"redact\"\n"] {
        let tell = Endpoint::start(Mood::Well).await;
        let url = tell.url();
        let mut daemon = Daemon::start(&format!(
            r#"{judge}
[[plugins]]
use = "autoreply"
options = {{ bot = "helper", cooldown = "100ms", rules = [{{ words = ["open"], reply = "At nine." }}] }}
[[plugins]]
use = "webhook"
name = "tell"
options = {{ mode = "notify", url = "{url}" }}
[[plugins]]
use = "audit"
options = {{ content = true }}
[[plugins]]
use = "metrics"
[[plugins]]
use = "log"
options = {{ content = true, routine = "info" }}
"#
        ));
        let ready = || daemon.log().contains("a bot is ready").then_some(());
        until("the bot is ready", async || ready()).await;
        let mut ann = daemon.client("ann").await;
        let question = message("@helper", "are you open? ann@example.com", "q");
        let retry = message("@helper", "are you open today?", "q");
        ann.send(question).await;
        let original = ann.next().await;
        let reply = ann.next().await;
        assert_eq!((&reply["content"], &reply["seq"]), (&json!("At nine."), &json!(2)));
        for _ in 0..3 {
            // Past the bot's cooldown, so that nothing but the retry keeps it silent.
            tokio::time::sleep(Duration::from_millis(110)).await;
            ann.send(retry.clone()).await;
            assert_eq!(ann.next().await, original);
        }
        assert!(ann.is_quiet().await, "the bot answers once");
        let sent = "confab_autoreply_replies_total{plugin=\"autoreply\",result=\"sent\"}";
        assert_eq!(daemon.metric(sent), 1.0);
        assert_eq!(daemon.metric("confab_message_content_bytes_count"), 2.0, "one and the reply");
        assert_eq!(daemon.metric("confab_messages_duplicate_total"), 3.0);
        assert_eq!(daemon.metric("confab_messages_accepted_total"), 2.0);

        daemon.restart(true);
        until("the bot is ready", async || ready_again(&daemon)).await;
        let mut ann = Client::connect(daemon.address(), &ann.account).await;
        ann.send(retry).await;
        assert_eq!(ann.next().await, original);
        assert!(ann.is_quiet().await, "also after a crash");
        assert!(daemon.stop().success());
        let told: Vec<Value> =
            tell.bodies().iter().map(|body| serde_json::from_str(body).unwrap()).collect();
        let told = told.iter().filter(|told| told["message"]["client_id"] == "q").count();
        assert_eq!(told, 1, "who is told is told once");

        let lines = audited(&daemon);
        let lines: Vec<_> = lines.iter().filter(|line| line["id"] == "q").collect();
        let retries = lines.iter().filter(|line| line["duplicate"] == true).count();
        assert_eq!(lines.len() - retries, 1, "what happened is written once: {lines:?}");
        // The crash may have taken lines that were not yet written.
        assert!((1..=4).contains(&retries), "{lines:?}");
        for line in &lines {
            assert_eq!((&line["decision"], &line["seq"]), (&json!("accepted"), &json!(1)));
            assert_eq!(line["content"], original["content"], "the stored text, not the sent one");
            let changed_by = if judge.is_empty() { Value::Null } else { json!(["redact"]) };
            assert_eq!(line["changed_by"], changed_by, "{line}");
        }
    }
}

fn ready_again(daemon: &Daemon) -> Option<()> {
    (daemon.log().matches("a bot is ready").count() == 2).then_some(())
}

fn audited(daemon: &Daemon) -> Vec<Value> {
    let entries = std::fs::read_dir(daemon.folder().join("audit")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"));
    let texts = files.map(|file| std::fs::read_to_string(file).unwrap());
    let text: String = texts.collect();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
