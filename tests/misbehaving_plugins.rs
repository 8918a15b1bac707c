//! Promise 5: no plugin takes the daemon down. A real daemon, with plugins compiled in that
//! panic, fail and sleep.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use serde_json::json;
use support::{Client, Daemon, client::End, wait::until};

const CHAIN: &str = r#"
[[plugins]]
use = "clown"
name = "strict"
on_error = "deny"
timeout = "50ms"
options = { word = "strict" }

[[plugins]]
use = "clown"
name = "lax"
on_error = "pass"
timeout = "50ms"
options = { word = "lax" }

[[plugins]]
use = "clown"
name = "shadow"
mode = "shadow"
on_error = "deny"
timeout = "50ms"
options = { word = "shadow" }
"#;

fn daemon() -> Daemon {
    daemon_with(CHAIN)
}

fn daemon_with(config: &str) -> Daemon {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_confab")).parent().expect("a folder");
    let program = folder.join("examples/misbehaving_daemon");
    assert!(program.exists(), "run `cargo test`, or `cargo build --examples` before a single test");
    Daemon::start_program(&program, config)
}

async fn say(ann: &mut Client, content: &str) -> serde_json::Value {
    ann.send(json!({"event":"message","to":"@bob","content":content,"id":"x"})).await;
    ann.next().await
}

#[tokio::test]
async fn each_failure_gets_what_on_error_says_and_is_counted() {
    let daemon = daemon();
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let count = |entry: &str, verdict: &str| {
        let labels = format!("{{plugin=\"{entry}\",verdict=\"{verdict}\"}}");
        daemon.metric(&format!("confab_plugin_verdicts_total{labels}"))
    };
    let mut seq = 0;
    for (act, verdict) in [("panic", "panic"), ("error", "error"), ("sleep", "timeout")] {
        let denied = say(&mut ann, &format!("strict {act}")).await;
        assert_eq!(denied["code"], "plugin_failed", "{denied}");
        assert_eq!((&denied["plugin"], &denied["id"]), (&json!("strict"), &json!("x")));
        assert_eq!(count("strict", verdict), 1.0, "{verdict} of strict is counted");

        let text = format!("lax {act}");
        ann.say("@bob", &text).await;
        let passed = ann.next().await;
        seq += 1;
        assert_eq!((&passed["seq"], &passed["content"]), (&json!(seq), &json!(text)));
        assert_eq!(bob.next().await["content"], text.as_str(), "as if the hook were not there");
        assert_eq!(count("lax", verdict), 1.0, "{verdict} of lax is counted");

        let text = format!("shadow {act}");
        ann.say("@bob", &text).await;
        seq += 1;
        assert_eq!(ann.next().await["content"], text.as_str());
        assert_eq!(bob.next().await["seq"], seq);
        assert_eq!(count("shadow", verdict), 1.0, "{verdict} of shadow is counted");
    }
    let log = daemon.log();
    assert!(log.contains("a panic on purpose"), "{log}");
    assert!(log.contains("an error on purpose\\nwith a second line"), "escaped: {log}");
}

#[tokio::test]
async fn verdicts_take_effect_and_the_chat_goes_on() {
    let daemon = daemon();
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let denied = say(&mut ann, "strict no").await;
    assert_eq!((&denied["code"], &denied["plugin"]), (&json!("clown_says_no"), &json!("strict")));

    let emptied = say(&mut ann, "strict empty").await;
    assert_eq!(emptied["code"], "plugin_failed", "what a hook leaves is checked again: {emptied}");
    assert_eq!(emptied["plugin"], "strict");

    ann.say("@bob", "shadow no").await;
    assert_eq!(ann.next().await["content"], "shadow no", "shadow denies nothing");
    assert_eq!(bob.next().await["content"], "shadow no");
    let would = "confab_plugin_verdicts_total{plugin=\"shadow\",verdict=\"would_deny\"}";
    assert_eq!(daemon.metric(would), 1.0);

    ann.say("@bob", "strict drop").await;
    assert!(ann.is_quiet().await, "a drop is silent");

    ann.say("@bob", "after panic").await;
    assert_eq!(ann.next().await["seq"], 2);
    assert_eq!(bob.next().await["content"], "after panic");
    ann.say("@bob", "on we go").await;
    assert_eq!(ann.next().await["seq"], 3);
    let gone = daemon.metric("confab_plugin_verdicts_total{plugin=\"lax\",verdict=\"panic\"}");
    assert_eq!(gone, 1.0, "the after hook's panic is counted too");
}

#[tokio::test]
async fn what_a_bot_has_to_say_is_said_before_the_daemon_stops() {
    let mut daemon = daemon_with(
        r#"
[[plugins]]
use = "autoreply"
options = { bot = "helper", fallback = "slow sleep" }

[[plugins]]
use = "clown"
on_error = "pass"
timeout = "4s"
options = { word = "slow" }
"#,
    );
    let ready = async || daemon.log().contains("a bot is ready").then_some(());
    until("the bot is ready", ready).await;
    let mut ann = daemon.client("ann").await;
    ann.say("@helper", "hello").await;
    assert_eq!(ann.next().await["seq"], 1);
    // The reply is under way: a hook holds it for seconds.
    daemon.signal("TERM");
    assert!(matches!(ann.end().await, End::Closed(1001, _)));
    assert!(daemon.ended().success());
    daemon.start_again();
    let path = "/conversations/@helper/messages";
    let page = daemon.http().get_json(path, &ann.account.token);
    assert_eq!(page["messages"][1]["content"], "slow sleep", "{page}\n{}", daemon.log());
}

#[tokio::test]
async fn a_plugin_that_never_stops_does_not_keep_the_store_open() {
    let stays = "[[plugins]]\nuse = \"clown\"\noptions = { word = \"stays\" }\n";
    let mut daemon = daemon_with(&format!("[server]\ndrain_grace = \"1s\"\n{stays}"));
    let mut ann = daemon.client("ann").await;
    ann.say("@ann", "hello").await;
    assert_eq!(ann.next().await["seq"], 1);
    assert!(daemon.stop().success());
    assert!(daemon.log().contains("did not end in time"), "{}", daemon.log());
    let left: Vec<_> = files(daemon.folder()).filter(|name| name.ends_with("-wal")).collect();
    assert!(left.is_empty(), "what a store leaves that was not closed: {left:?}");
}

/// The names of all files below a folder.
fn files(folder: &std::path::Path) -> Box<dyn Iterator<Item = String>> {
    Box::new(std::fs::read_dir(folder).unwrap().map(Result::unwrap).flat_map(|entry| {
        if entry.file_type().unwrap().is_dir() {
            return files(&entry.path());
        }
        Box::new(std::iter::once(entry.file_name().to_string_lossy().into_owned()))
    }))
}
