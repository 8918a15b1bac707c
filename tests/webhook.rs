//! A service that hangs, fails or is gone harms nobody but who waits for its verdict.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{
    Client, Daemon,
    endpoint::{Endpoint, Mood},
    wait::until,
};

/// How long a hook may ask.
const LIMIT: Duration = Duration::from_secs(1);

fn moderate(name: &str, url: &str, on_error: &str, more: &str) -> String {
    format!(
        "[[plugins]]\nuse = \"webhook\"\nname = \"{name}\"\non_error = \"{on_error}\"\n\
         timeout = \"{}ms\"\n{more}\noptions = {{ mode = \"moderate\", url = \"{url}\" }}\n",
        LIMIT.as_millis()
    )
}

fn notify(url: &str, more: &str) -> String {
    format!(
        "[[plugins]]\nuse = \"webhook\"\nname = \"tell\"\n{more}\n\
         options = {{ mode = \"notify\", url = \"{url}\" }}\n"
    )
}

fn verdicts(daemon: &Daemon, name: &str, verdict: &str) -> f64 {
    let labels = format!("{{plugin=\"{name}\",verdict=\"{verdict}\"}}");
    daemon.metric(&format!("confab_plugin_verdicts_total{labels}"))
}

fn jobs(daemon: &Daemon, result: &str) -> f64 {
    daemon.metric(&format!("confab_plugin_jobs_total{{plugin=\"tell\",result=\"{result}\"}}"))
}

#[tokio::test]
async fn a_service_decides_and_its_refusal_names_the_entry() {
    let service = Endpoint::start(Mood::Well).await;
    let daemon = Daemon::start(&moderate("nice", &service.url(), "deny", ""));
    let (mut ann, _bob) = (daemon.client("ann").await, daemon.client("bob").await);
    ann.say("@bob", "please refuse me").await;
    assert_eq!(
        ann.next().await,
        json!({"event":"error","code":"not_nice","message":"Be nice.","plugin":"nice"})
    );
    ann.say("@bob", "hello").await;
    assert_eq!(ann.next().await["seq"], 1);
    assert_eq!(service.asked(), 2);
}

#[tokio::test]
async fn a_service_that_hangs_fails_or_is_gone_gets_what_on_error_says_within_the_limit() {
    let (hangs, fails) = (Endpoint::start(Mood::Hangs).await, Endpoint::start(Mood::Fails).await);
    for (what, url, counted) in [
        ("hangs", hangs.url(), "timeout"),
        ("fails", fails.url(), "error"),
        ("is gone", Endpoint::nobody().await, "error"),
    ] {
        for on_error in ["deny", "pass"] {
            let daemon = Daemon::start(&moderate("nice", &url, on_error, ""));
            let (mut ann, _bob) = (daemon.client("ann").await, daemon.client("bob").await);
            let asked = Instant::now();
            ann.say("@bob", "hello").await;
            let answer = ann.next().await;
            let took = asked.elapsed();
            match on_error {
                "deny" => assert_eq!(
                    (&answer["code"], &answer["plugin"]),
                    (&json!("plugin_failed"), &json!("nice")),
                    "{what}"
                ),
                _ => assert_eq!(answer["seq"], 1, "{what}"),
            }
            println!("{what}, on_error = {on_error}: answered after {took:?}, limit {LIMIT:?}");
            // An hour is what it hangs; the machine may be slow.
            assert!(took < LIMIT + Duration::from_secs(5), "{what}: {took:?}");
            assert_eq!(verdicts(&daemon, "nice", counted), 1.0, "{what}");
        }
    }
}

#[tokio::test]
async fn a_dead_service_is_taken_out_and_comes_back() {
    let service = Endpoint::start(Mood::HangsOnWord).await;
    let more = "breaker_failures = 4\nbreaker_pause = \"10s\"";
    let daemon = Daemon::start(&moderate("nice", &service.url(), "pass", more));
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let open = || daemon.metric("confab_plugin_breaker_open{plugin=\"nice\"}");
    for _ in 0..2 {
        ann.say("@bob", "hang").await;
        ann.next_event("message").await;
        bob.say("@ann", "hang").await;
        bob.next_event("message").await;
        bob.next_event("message").await;
        ann.next_event("message").await;
    }
    assert_eq!((verdicts(&daemon, "nice", "timeout"), open()), (4.0, 1.0));
    let asked = service.asked();
    ann.say("@bob", "hang, but nobody is asked").await;
    ann.next().await;
    assert_eq!((service.asked(), verdicts(&daemon, "nice", "skipped")), (asked, 1.0));
    until("it is tried again and is back", async || {
        ann.say("@bob", "hello").await;
        ann.next().await;
        (open() == 0.0).then_some(())
    })
    .await;
    assert_eq!(verdicts(&daemon, "nice", "pass"), 1.0);
    // The log is written in the background.
    let back = "a plugin that failed is back";
    until("it is logged", async || daemon.log().contains(back).then_some(())).await;
}

#[tokio::test]
async fn in_the_background_it_drops_and_counts() {
    let service = Endpoint::start(Mood::Hangs).await;
    let more = "job_queue = 5\njob_concurrency = 1\njob_timeout = \"10m\"";
    let daemon = Daemon::start(&notify(&service.url(), more));
    let (mut ann, _bob) = (daemon.client("ann").await, daemon.client("bob").await);
    for n in 1..=50 {
        ann.say("@bob", "hello").await;
        assert_eq!(ann.next().await["seq"], n);
    }
    until("the rest is dropped", async || (jobs(&daemon, "dropped") == 45.0).then_some(())).await;
    assert_eq!(daemon.metric("confab_plugin_jobs_held{plugin=\"tell\"}"), 5.0);
    let said = "jobs are dropped";
    until("it is logged", async || daemon.log().contains(said).then_some(())).await;
    assert_eq!(daemon.log().matches(said).count(), 1, "said once, counted always");
}

#[tokio::test]
async fn in_the_background_it_is_tried_again_and_given_up() {
    let service = Endpoint::start(Mood::Fails).await;
    let more = "job_attempts = 3\njob_backoff = \"10ms\"";
    let daemon = Daemon::start(&notify(&service.url(), more));
    let (mut ann, _bob) = (daemon.client("ann").await, daemon.client("bob").await);
    ann.say("@bob", "hello").await;
    ann.next().await;
    until("it is given up", async || (jobs(&daemon, "failed") == 1.0).then_some(())).await;
    assert_eq!((service.asked(), jobs(&daemon, "retried")), (3, 2.0));
}

/// Times to the echo, in microseconds, sorted.
async fn echoes(client: &mut Client, to: &str, count: usize) -> Vec<u128> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        let sent = Instant::now();
        client.say(to, "hello").await;
        client.next().await;
        times.push(sent.elapsed().as_micros());
    }
    times.sort_unstable();
    times
}

/// Side by side, in turns: a daemon without a webhook, one that tells a hanging service in the
/// background, and one whose moderation hangs for others. The figures are for people; what is
/// asserted is that nobody waits for what hangs.
#[tokio::test]
async fn others_do_not_notice() {
    let hangs = Endpoint::start(Mood::Hangs).await;
    let picky = Endpoint::start(Mood::HangsOnWord).await;
    let hour = "job_timeout = \"10m\"\njob_queue = 10";
    let slow =
        moderate("nice", &picky.url(), "deny", "breaker_failures = 0").replace("1000ms", "30s");
    let daemons = [
        ("no webhook", Daemon::start("")),
        ("telling a service that hangs", Daemon::start(&notify(&hangs.url(), hour))),
        ("moderation, well", Daemon::start(&slow)),
        ("moderation, hanging for others", Daemon::start(&slow)),
    ];
    let mut pairs = Vec::new();
    for (_, daemon) in &daemons {
        pairs.push((daemon.client("bob").await, daemon.client("carol").await, Vec::new()));
    }
    // Sessions of somebody else wait for a verdict all the while.
    let mut waiting = Vec::new();
    for _ in 0..4 {
        let daemon = &daemons[3].1;
        let mut dave = daemon.client(&format!("dave{}", waiting.len())).await;
        dave.say("@bob", "hang").await;
        waiting.push(dave);
    }
    until("they wait", async || (picky.asked() >= 4).then_some(())).await;
    for _ in 0..10 {
        for (bob, _, times) in &mut pairs {
            times.extend(echoes(bob, "@carol", 40).await);
        }
    }
    for ((what, _), (_, _, times)) in daemons.iter().zip(&mut pairs) {
        times.sort_unstable();
        let at = |percent: usize| times[times.len() * percent / 100];
        println!("{what}: p50 {} us, p99 {} us of {}", at(50), at(99), times.len());
        assert!(at(99) < 5_000_000, "{what}: somebody waited for what hangs");
    }
    assert_eq!(verdicts(&daemons[3].1, "nice", "timeout"), 0.0, "they wait all the while");
    drop(waiting);
}
