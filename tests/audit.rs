//! The audit log of a real daemon: whole after a stop, whole after kill -9, and honest about what
//! it had no room for.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use serde_json::{Value, json};
use support::{Client, Daemon};

/// What `confab audit verify` says of the daemon's log, and the log's lines.
fn verified(daemon: &Daemon) -> (String, Vec<Value>) {
    let folder = daemon.folder().join("audit");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ext| ext == "jsonl"))
        .collect();
    files.sort();
    let output = support::daemon::confab().args(["audit", "verify"]).args(&files).output().unwrap();
    let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{told}");
    let read = |file| std::fs::read_to_string(file).unwrap();
    let text: String = files.iter().map(read).collect();
    let mut lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.sort_by_key(|line| line["n"].as_u64());
    (told, lines)
}

fn of_kind<'a>(lines: &'a [Value], kind: &'a str) -> impl Iterator<Item = &'a Value> {
    lines.iter().filter(move |line| line["kind"] == kind)
}

#[tokio::test]
async fn every_event_is_in_the_log_with_its_outcome() {
    let mut daemon = Daemon::start(
        r#"
[[plugins]]
use = "filter"
name = "words"
options = { deny = ["https?://"], mask_words = ["darn"] }

[[plugins]]
use = "audit"
options = { max_size = "2KiB" }
"#,
    );
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    for text in ["hello", "darn", "http://x.example"] {
        ann.say("@bob", text).await;
        ann.next().await;
    }
    bob.next().await;
    drop((ann, bob));
    assert!(daemon.stop().success());

    let (told, lines) = verified(&daemon);
    assert!(told.contains(" files, 1 to ") && !told.contains("not logged"), "{told}");
    assert_eq!(of_kind(&lines, "register").count(), 2);
    assert_eq!(of_kind(&lines, "disconnect").count(), 2);
    // An echo goes out before the hooks are told: a refusal may be in the log before what was
    // accepted just before it.
    let messages = of_kind(&lines, "message");
    let (accepted, denied): (Vec<_>, Vec<_>) =
        messages.partition(|message| message["decision"] == "accepted");
    assert_eq!((accepted.len(), denied.len()), (2, 1));
    assert_eq!((&accepted[0]["seq"], &accepted[0]["size"]), (&json!(1), &json!(5)));
    assert_eq!(accepted[1]["changed_by"], json!(["words"]));
    assert_eq!((&denied[0]["decision"], &denied[0]["by"]), (&json!("denied"), &json!("words")));
    assert!(lines.iter().all(|line| line.get("content").is_none()));
}

#[tokio::test]
async fn a_queue_that_is_too_short_leaves_gaps_that_are_told() {
    let mut daemon = Daemon::start(
        "[[plugins]]\nuse = \"audit\"\non = [\"message\"]\njob_queue = 1\noptions = { sync = \"always\" }\n",
    );
    let mut ann = daemon.client("ann").await;
    let bob = daemon.http().register("bob");
    const MESSAGES: u64 = 500;
    for n in 0..MESSAGES {
        ann.feed(json!({"event":"message","to":bob.id,"content":n.to_string()})).await;
    }
    ann.flush().await;
    for _ in 0..MESSAGES {
        ann.next_event("message").await;
    }
    let dropped = "confab_plugin_jobs_total{plugin=\"audit\",result=\"dropped\"}";
    support::wait::until("all events were handed over", async || {
        let done = daemon.metric("confab_plugin_jobs_total{plugin=\"audit\",result=\"done\"}");
        (done + daemon.metric(dropped) == MESSAGES as f64).then_some(())
    })
    .await;
    let counted = daemon.metric(dropped);
    assert!(counted > 0.0);
    assert!(daemon.stop().success());

    let (told, lines) = verified(&daemon);
    let missing: u64 = of_kind(&lines, "gap").map(|line| line["dropped"].as_u64().unwrap()).sum();
    assert_eq!(missing as f64, counted, "{told}");
    // A gap stands where its messages would.
    let mut next = 1;
    for line in lines {
        match line["kind"].as_str().unwrap() {
            "gap" => next += line["dropped"].as_u64().unwrap(),
            "message" => {
                assert_eq!(line["seq"], next);
                next += 1;
            }
            _ => {}
        }
    }
    assert_eq!(next, MESSAGES + 1);
}

#[tokio::test]
async fn the_chain_goes_on_after_kill_9_under_load() {
    let mut daemon =
        Daemon::start("[[plugins]]\nuse = \"audit\"\noptions = { max_size = \"16KiB\" }\n");
    let mut ann = daemon.client("ann").await;
    let bob = daemon.http().register("bob");
    for round in 1..=3 {
        for n in 0..400 {
            let id = format!("{round}-{n}");
            ann.feed(json!({"event":"message","to":bob.id,"content":id,"id":id})).await;
        }
        ann.flush().await;
        for _ in 0..150 {
            ann.next().await;
        }
        daemon.restart(true);
        let (told, lines) = verified(&daemon);
        assert_eq!(of_kind(&lines, "opened").count(), 1 + round, "{told}");
        ann = Client::connect(daemon.address(), &ann.account).await;
    }
}
