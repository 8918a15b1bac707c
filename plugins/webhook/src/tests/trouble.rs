//! Services that err, hang, drip, lie, close or are not there.

use std::time::Duration;

use confab_plugin::{Verdict, testkit::Kit};
use serde_json::json;
use tokio::time::timeout;

use super::{
    ask, asking, nobody_there,
    server::{Reply, Server},
};
use crate::Webhook;

const PASS: Reply = Reply::Json(r#"{"verdict":"pass"}"#);

/// A body of this many bytes that would be an answer, after this head.
fn padded(head: &str, body: usize) -> String {
    let answer = r#"{"verdict":"pass"}"#;
    format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{answer}{}", " ".repeat(body - answer.len()))
}

#[tokio::test]
async fn an_error_is_no_verdict_and_the_next_question_is_asked() {
    let chunks = "800\r\n".to_owned() + &" ".repeat(2048) + "\r\n0\r\n\r\n";
    for (reply, why) in [
        (Reply::Status(500), "500"),
        (Reply::Status(404), "404"),
        (Reply::Raw("HTTP/1.1 500 x\r\ncontent-length: 9999\r\n\r\nand so on".into()), "500"),
        (Reply::Json("garbage"), "not a JSON object"),
        (Reply::Json(r#"{"verdict":"perhaps"}"#), "not one that the manual describes"),
        (Reply::Raw("SSH-2.0-OpenSSH_9.6\r\n\r\n".into()), "no answer"),
        (Reply::Raw(format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(60_000))), "no answer"),
        (Reply::Raw(padded("content-length: 1025", 1025)), "longer than 1024 bytes"),
        (Reply::Raw("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n".into()), "longer"),
        (
            Reply::Raw(format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{chunks}")),
            "longer than 1024 bytes",
        ),
        (Reply::RawAndClose(padded("content-length: 999", 500)), "broke off"),
        (Reply::RawAndClose(padded("", 2000)), "longer than 1024 bytes"),
        (Reply::RawAndClose("HTTP/1.1 200".into()), "no answer"),
        (Reply::RawAndClose(String::new()), "no answer"),
    ] {
        let name = format!("{reply:?}");
        let server = Server::new(move |n| if n == 0 { reply.clone() } else { PASS }).await;
        let kit = asking(&server, json!({ "max_answer": "1KiB" })).await;
        let error = ask(&kit).await.unwrap_err();
        assert!(error.contains(why), "{name:.80}: {error}");
        assert!(!error.contains("hook"), "the URL is in: {error}");
        assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass, "{name:.80}");
        assert_eq!(server.state().requests, 2, "{name:.80}");
        server.until(|state| state.open == 1).await;
    }
}

#[tokio::test]
async fn an_answer_of_just_the_permitted_length_is_read() {
    let server = Server::always(Reply::Raw(padded("content-length: 1024", 1024))).await;
    let kit = asking(&server, json!({ "max_answer": "1KiB" })).await;
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let other = Server::always(PASS).await;
    for status in [301, 302, 303, 307, 308] {
        let reply = Reply::Raw(format!(
            "HTTP/1.1 {status} x\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n",
            other.url()
        ));
        let server = Server::always(reply).await;
        let kit = asking(&server, json!({})).await;
        let error = ask(&kit).await.unwrap_err();
        assert!(error.contains("redirects are not followed"), "{error}");
        assert_eq!(server.state().requests, 1);
    }
    assert_eq!(other.state().accepted, 0);
}

#[tokio::test]
async fn a_service_that_is_not_there() {
    let (_taken, address) = nobody_there();
    for host in [address.to_string(), "no-such-host.invalid".to_owned()] {
        let url = format!("http://{host}/hunter2");
        let kit = Kit::<Webhook>::new(json!({ "mode": "moderate", "url": url })).unwrap();
        kit.start().await.unwrap();
        let error = ask(&kit).await.unwrap_err();
        assert!(error.contains("no connection to the service"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[tokio::test]
async fn what_is_given_up_leaves_nothing_behind() {
    for reply in [Reply::Hang, Reply::Drip, Reply::Raw("HTTP/1.1 200 OK\r\n".into())] {
        let name = format!("{reply:?}");
        let server = Server::new(move |n| if n < 3 { reply.clone() } else { PASS }).await;
        let kit = asking(&server, json!({})).await;
        for n in 1..=3 {
            let mut asked = Box::pin(kit.message("hello"));
            tokio::select! {
                _ = &mut asked => panic!("{name}: there is no answer"),
                () = server.until(|state| state.requests == n) => {}
            }
            assert!(timeout(Duration::from_millis(20), &mut asked).await.is_err(), "{name}");
            drop(asked);
            server.until(|state| state.open == 0).await;
        }
        for _ in 0..2 {
            assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass, "{name}");
        }
        assert_eq!(server.state().accepted, 4, "{name}");
    }
}

#[tokio::test]
async fn an_unwanted_body_is_not_waited_for() {
    let head = "HTTP/1.1 500 x\r\ncontent-length: 50000\r\n\r\n".to_owned();
    let server = Server::new(move |n| if n == 0 { Reply::Raw(head.clone()) } else { PASS }).await;
    let kit = asking(&server, json!({})).await;
    assert!(ask(&kit).await.unwrap_err().contains("500"));
    server.until(|state| state.open == 0).await;
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
}

#[tokio::test]
async fn a_connection_that_closed_while_it_waited_costs_no_question() {
    // It closes as the second request arrives, which no client can see coming.
    let closes = Reply::RawAndClose(String::new());
    let server = Server::new(move |n| if n == 1 { closes.clone() } else { PASS }).await;
    let kit = asking(&server, json!({})).await;
    ask(&kit).await.unwrap();
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
    let requests = server.requests();
    assert_eq!((requests.len(), server.state().accepted), (3, 2));
    assert_eq!(requests[1].header("webhook-id"), requests[2].header("webhook-id"));
    assert_eq!(requests[1].body, requests[2].body);
    assert_ne!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));

    // On a new connection it is asked once.
    let server = Server::always(Reply::RawAndClose(String::new())).await;
    let kit = asking(&server, json!({})).await;
    assert!(ask(&kit).await.is_err());
    assert_eq!(server.state().requests, 1);
}

#[tokio::test]
async fn a_service_that_closes_after_each_answer() {
    for head in ["content-length: 18\r\nconnection: close", "content-length: 18"] {
        let server = Server::always(Reply::RawAndClose(padded(head, 18))).await;
        let kit = asking(&server, json!({})).await;
        for _ in 0..5 {
            assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
        }
        assert_eq!(server.state().requests, 5);
    }
}
