//! Questions that are answered.

use std::time::Duration;

use confab_plugin::{
    Decision, Verdict,
    testkit::{Kit, message},
};
use hmac::{Hmac, KeyInit, Mac};
use metrics_util::debugging::DebuggingRecorder;
use serde_json::json;
use sha2::Sha256;
use tokio::time::timeout;

use super::{
    SECRET, ask, asking, read,
    server::{Received, Reply, Server},
};
use crate::Webhook;

/// The signature that this request must have, from another implementation of HMAC.
pub fn signature(request: &Received, secret: &str) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
    for part in [request.header("webhook-id"), ".", request.header("webhook-timestamp"), "."] {
        mac.update(part.as_bytes());
    }
    mac.update(&request.body);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test]
async fn each_verdict_is_followed_over_one_connection() {
    let server = Server::new(|n| match n {
        0 => Reply::Json(r#"{"verdict":"pass"}"#),
        1 => Reply::Json(r#"{"verdict":"deny","code":"rude","message":"Be kind."}"#),
        2 => Reply::Json(r#"{"verdict":"drop"}"#),
        3 => Reply::Json(r#"{"verdict":"pass","content":"h*llo"}"#),
        _ => Reply::Status(204),
    })
    .await;
    let kit = asking(&server, json!({})).await;
    let run = ask(&kit).await.unwrap();
    assert_eq!((&run.verdict, run.content()), (&Verdict::Pass, "hello"));
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::deny("rude", "Be kind."));
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Drop);
    let run = ask(&kit).await.unwrap();
    assert_eq!((&run.verdict, run.content()), (&Verdict::Pass, "h*llo"));
    let run = ask(&kit).await.unwrap();
    assert_eq!((&run.verdict, run.content()), (&Verdict::Pass, "hello"));
    assert_eq!((server.state().accepted, server.state().requests), (1, 5));
    kit.stop().await;
    server.until(|state| state.open == 0).await;
}

#[tokio::test]
async fn a_question_is_a_signed_post() {
    let server = Server::always(Reply::Status(204)).await;
    let kit = asking(&server, json!({ "secret": SECRET })).await;
    ask(&kit).await.unwrap();
    ask(&kit).await.unwrap();
    let requests = server.requests();
    for request in &requests {
        assert_eq!(request.line, "POST /hook?a=b HTTP/1.1");
        assert_eq!(request.header("host"), server.address.to_string());
        assert_eq!(request.header("content-type"), "application/json");
        assert!(request.header("user-agent").starts_with("confab-webhook/"));
        assert_eq!(request.header("webhook-signature"), signature(request, SECRET));
        assert_ne!(request.header("webhook-signature"), signature(request, "another"));
        assert_eq!(request.json()["id"], request.header("webhook-id"));
        assert_eq!(request.json()["message"]["content"], "hello");
        assert_eq!(request.json().get("outcome"), None);
    }
    assert_ne!(requests[0].header("webhook-id"), requests[1].header("webhook-id"));
}

#[tokio::test]
async fn a_secret_can_be_in_a_file() {
    let server = Server::always(Reply::Status(204)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("secret");
    std::fs::write(&file, format!("{SECRET}\r\n")).unwrap();
    let kit = asking(&server, json!({ "secret_file": file })).await;
    ask(&kit).await.unwrap();
    let request = &server.requests()[0];
    assert_eq!(request.header("webhook-signature"), signature(request, SECRET));

    for (content, why) in [
        (&b"short secret"[..], "12 bytes"),
        (&[b'x'; 5000], "longer than 4096"),
        (&[0xff; 40], "not text"),
    ] {
        std::fs::write(&file, content).unwrap();
        let options = json!({ "mode": "moderate", "url": server.url(), "secret_file": file });
        let error = Kit::<Webhook>::new(options).unwrap().start().await.unwrap_err().to_string();
        assert!(error.contains(why) && error.contains("secret_file /"), "{error}");
        assert!(!error.contains("short secret"), "{error}");
    }
}

#[tokio::test]
async fn without_a_secret_nothing_is_signed() {
    let server = Server::always(Reply::Status(204)).await;
    let kit = asking(&server, json!({})).await;
    ask(&kit).await.unwrap();
    assert_eq!(server.requests()[0].headers.get("webhook-signature"), None);
}

#[tokio::test]
async fn further_questions_wait_for_their_turn() {
    let server = Server::new(|n| if n == 0 { Reply::Hang } else { Reply::Status(204) }).await;
    let kit = asking(&server, json!({ "concurrency": 1 })).await;
    let mut first = Box::pin(kit.message("first"));
    tokio::select! {
        _ = &mut first => panic!("nothing answers it"),
        () = server.until(|state| state.requests == 1) => {}
    }
    // The second has no place, and its time passes.
    assert!(timeout(Duration::from_millis(50), kit.message("second")).await.is_err());
    assert_eq!(server.state().requests, 1);
    // The first is given up, and its place is free.
    drop(first);
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
}

#[tokio::test]
async fn questions_run_side_by_side() {
    let server = Server::always(Reply::Hang).await;
    let kit = asking(&server, json!({ "concurrency": 3 })).await;
    let all = async { tokio::join!(kit.message("1"), kit.message("2"), kit.message("3")) };
    tokio::select! {
        _ = all => panic!("nothing answers them"),
        () = server.until(|state| state.requests == 3) => {}
    }
}

#[tokio::test]
async fn nothing_is_asked_in_a_rehearsal_or_before_the_start() {
    let server = Server::always(Reply::Status(204)).await;
    let options = json!({
        "mode": "moderate", "url": server.url(), "secret_file": "/no/such/file",
    });
    let kit = Kit::<Webhook>::new(options).unwrap();
    assert!(ask(&kit).await.unwrap_err().contains("not started"));
    kit.rehearse().await.unwrap();
    assert!(ask(&kit).await.unwrap_err().contains("not asked in a rehearsal"));
    assert_eq!(server.state().accepted, 0);
}

#[tokio::test]
async fn what_was_asked_about_is_not_told_of() {
    let server = Server::always(Reply::Status(204)).await;
    let kit = asking(&server, json!({})).await;
    kit.after(&message("hello"), Decision::Accepted { seq: Some(1), duplicate: false });
    assert_eq!(kit.jobs(), 0);
}

#[tokio::test]
async fn requests_are_counted_and_timed() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = Server::new(|n| match n {
        0 | 1 => Reply::Status(204),
        2..5 => Reply::Status(500),
        5 => Reply::Json("garbage"),
        _ => Reply::Hang,
    })
    .await;
    let kit = asking(&server, json!({})).await;
    for _ in 0..6 {
        let _ = ask(&kit).await;
    }
    assert!(timeout(Duration::from_millis(20), kit.message("hello")).await.is_err());
    let expected = [
        ("confab_webhook_request_duration_seconds{plugin=webhook}", 7),
        ("confab_webhook_requests_total{plugin=webhook,result=error}", 1),
        ("confab_webhook_requests_total{plugin=webhook,result=ok}", 2),
        ("confab_webhook_requests_total{plugin=webhook,result=refused}", 3),
        ("confab_webhook_requests_total{plugin=webhook,result=timeout}", 1),
    ];
    assert_eq!(read(&snapshotter), expected.map(|(name, n)| (name.to_owned(), n)).into());
}
