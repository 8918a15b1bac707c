//! A stop loses nothing: sessions get what they are owed, and 1001.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Client, Daemon, client::End};

#[tokio::test]
async fn sessions_get_their_echoes_and_then_1001() {
    for signal in ["TERM", "INT"] {
        let mut daemon = Daemon::start("");
        let mut ann = daemon.client("ann").await;
        let mut bob = daemon.client("bob").await;
        for n in 0..500 {
            ann.feed(json!({"event":"message","to":"@bob","content":format!("{n}")})).await;
        }
        ann.flush().await;
        assert_eq!(ann.next().await["seq"], 1);
        daemon.signal(signal);
        let mut echoed = 1;
        let end = loop {
            match ann.try_next().await {
                Ok(frame) => {
                    echoed += 1;
                    assert_eq!(frame["seq"], echoed);
                }
                Err(end) => break end,
            }
        };
        assert!(matches!(end, End::Closed(1001, _)), "{end:?}");
        assert!(matches!(bob.end().await, End::Closed(1001, _)));
        assert!(daemon.ended().success());

        daemon.start_again();
        let path = "/conversations/@bob/messages?limit=1";
        let page = daemon.http().get_json(path, &ann.account.token);
        assert_eq!(page["messages"][0]["seq"], echoed, "stored is what was echoed");
    }
}

#[tokio::test]
async fn a_client_that_does_not_answer_costs_no_more_than_the_grace() {
    let mut daemon = Daemon::start("[server]\ndrain_grace = \"1s\"\n");
    // Never reads, so it never answers the close frame.
    let _mute = daemon.client("ann").await;
    let started = Instant::now();
    assert!(daemon.stop().success());
    let took = started.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_stopping_daemon_is_not_ready() {
    let daemon = Daemon::start("[server]\ndrain_grace = \"30s\"\n");
    let _mute = daemon.client("ann").await;
    assert_eq!(daemon.admin().get("/readyz", None).0, 200);
    assert_eq!(daemon.admin().get("/healthz", None).0, 200);
    daemon.signal("TERM");
    let answer = support::wait::until("it is not ready", async || {
        let (status, body) = daemon.admin().get("/readyz", None);
        (status != 200).then_some((status, body))
    });
    let (status, body) = answer.await;
    assert_eq!(status, 503);
    assert!(body.contains("stopping"), "{body}");
}

#[tokio::test]
async fn new_sessions_are_refused_with_words_while_it_stops() {
    let daemon = Daemon::start("[server]\ndrain_grace = \"30s\"\n");
    let ann = daemon.http().register("ann");
    let _mute = Client::connect(daemon.address(), &ann).await;
    daemon.signal("TERM");
    support::wait::until("connections are refused", async || {
        let refused = tokio::net::TcpStream::connect(daemon.address()).await.is_err();
        refused.then_some(())
    })
    .await;
}

#[tokio::test]
async fn sighup_does_no_harm() {
    let daemon = Daemon::start("");
    let mut ann = daemon.client("ann").await;
    daemon.signal("HUP");
    support::wait::until("it says so", async || daemon.log().contains("SIGHUP").then_some(()))
        .await;
    ann.say("@ann", "still here").await;
    assert_eq!(ann.next().await["seq"], 1);
}
