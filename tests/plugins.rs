//! The plugins one really runs, in the real daemon.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use serde_json::json;
use support::Daemon;

#[tokio::test]
async fn the_filter_denies_masks_and_only_counts_in_shadow() {
    let daemon = Daemon::start(
        r#"
[[plugins]]
use = "filter"
name = "no-links"
options = { deny = ["https?://"], code = "no_links", message = "No links, please." }

[[plugins]]
use = "filter"
name = "words"
timeout = "10s"
options = { mask_words = ["idiot"] }

[[plugins]]
use = "filter"
name = "trial"
mode = "shadow"
options = { deny_words = ["monday"] }
"#,
    );
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    for text in ["see http://x.example", "see HTTPS://x", "h\u{200b}ttp\u{ad}s://x", "ｈttp://x"] {
        ann.send(json!({"event":"message","to":"@bob","content":text,"id":"m"})).await;
        let denied = ann.next().await;
        assert_eq!(
            denied,
            json!({"event":"error","code":"no_links","message":"No links, please.",
                "plugin":"no-links","id":"m"}),
            "{text}"
        );
    }
    for (text, masked) in [
        ("you idiot!", "you *****!"),
        ("You ÍD\u{200d}IÓT!", "You *****!"),
        ("idiotic is another word", "idiotic is another word"),
    ] {
        ann.say("@bob", text).await;
        let echo = ann.next().await;
        assert_eq!(echo["content"], masked, "{text}");
        let changed_by = if text == masked { json!(null) } else { json!(["words"]) };
        assert_eq!(echo["changed_by"], changed_by, "{text}");
        assert_eq!(bob.next().await, echo);
    }
    ann.say("@bob", "see you on Monday").await;
    assert_eq!(ann.next().await["content"], "see you on Monday");
    let metric = |name, verdict| {
        let labels = format!("{{plugin=\"{name}\",verdict=\"{verdict}\"}}");
        daemon.metric(&format!("confab_plugin_verdicts_total{labels}"))
    };
    assert_eq!(metric("no-links", "deny"), 4.0);
    assert_eq!(metric("trial", "would_deny"), 1.0);
    assert_eq!(metric("trial", "deny"), 0.0);
}

#[tokio::test]
async fn events_are_counted_and_logged_without_their_content() {
    let mut daemon = Daemon::start(
        "[[plugins]]\nuse = \"metrics\"\n[[plugins]]\nuse = \"log\"\n\
         options = { routine = \"info\" }\n[log]\nformat = \"json\"\n",
    );
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    ann.say("@bob", "a secret text").await;
    ann.next().await;
    bob.next().await;
    bob.send(json!({"event":"seen","to":"@ann"})).await;
    ann.next().await;
    let body = json!({"username":"nobody","password":"x"});
    assert_eq!(daemon.http().post_json("/login", &body).0, 401);
    let counted = |kind, outcome| {
        let labels = format!("{{kind=\"{kind}\",outcome=\"{outcome}\"}}");
        daemon.metric(&format!("confab_events_total{labels}"))
    };
    support::wait::until("all events are counted", async || {
        let all = [
            counted("register", "accepted"),
            counted("connect", "accepted"),
            counted("message", "accepted"),
            counted("seen", "accepted"),
            counted("login", "failed"),
        ];
        (all == [2.0, 2.0, 1.0, 1.0, 1.0]).then_some(())
    })
    .await;
    assert!(daemon.metrics().contains("confab_event_duration_seconds_bucket"));
    let token = ann.account.token.clone();
    ann.close().await;
    assert!(daemon.stop().success());

    let log = daemon.log();
    assert!(!log.contains("DEBUG"), "the libraries hold to the level too:\n{log}");
    assert!(!log.contains("a secret text"), "the content is not logged");
    assert!(!log.contains(token.as_str()), "tokens are not logged");
    let lines: Vec<serde_json::Value> =
        log.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect();
    let of = |kind: &str| {
        let found = lines.iter().find(|l| l["kind"] == kind && l["target"] == "confab::events");
        found.unwrap_or_else(|| panic!("no line of {kind}:\n{log}")).clone()
    };
    let message = of("message");
    assert_eq!(message["user"], "ann");
    assert_eq!(message["decision"], "accepted");
    assert_eq!(message["seq"], 1);
    assert_eq!(of("login")["decision"], "failed");
    assert_eq!(of("disconnect")["decision"], "accepted");
}
