//! Notifications: which there are, and what becomes of them.

use confab_plugin::{
    Decision, JobError, Outcome, Verdict,
    testkit::{Kit, decisions, message},
};
use metrics_util::debugging::DebuggingRecorder;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::{
    SECRET, ask,
    moderate::signature,
    nobody_there, read,
    server::{DEADLINE, Reply, Server},
    started,
};
use crate::Webhook;

const ACCEPTED: Decision = Decision::Accepted { seq: Some(3), duplicate: false };

async fn telling(server: &Server, more: Value) -> Kit<Webhook> {
    started("notify", server, more).await
}

async fn run(kit: &Kit<Webhook>, attempt: u32) -> Result<(), JobError> {
    timeout(DEADLINE, kit.run_job(attempt)).await.expect("it takes too long").expect("no job")
}

#[tokio::test]
async fn new_accepted_events_are_told_of_unless_said_otherwise() {
    let server = Server::always(Reply::Status(204)).await;
    let kit = telling(&server, json!({})).await;
    let all = || decisions().into_iter().chain([Decision::Accepted { seq: None, duplicate: true }]);
    for decision in all() {
        kit.after(&message("hello"), decision);
    }
    assert_eq!(kit.jobs(), 1);
    run(&kit, 1).await.unwrap();
    assert_eq!(server.requests()[0].json()["outcome"]["decision"], "accepted");

    let kit = telling(&server, json!({ "outcomes": ["denied", "dropped", "failed"] })).await;
    for decision in all() {
        kit.after(&message("hello"), decision);
    }
    for _ in 0..3 {
        run(&kit, 1).await.unwrap();
    }
    assert_eq!(kit.jobs(), 0);
    let told: Vec<_> = server.requests().iter().map(|r| r.json()["outcome"].clone()).collect();
    assert_eq!(told[1]["code"], "refused");
    assert_eq!(told[2], json!({ "decision": "dropped", "by": "guard", "changed_by": [] }));
    assert_eq!(told[3]["code"], "unavailable");
}

#[tokio::test]
async fn a_notification_is_a_signed_post() {
    let server = Server::always(Reply::Json("{}")).await;
    let kit = telling(&server, json!({ "secret": SECRET })).await;
    let mut outcome = Outcome::new(ACCEPTED, DEADLINE);
    outcome.changed_by = vec!["filter".into()];
    for _ in 0..3 {
        kit.outcome(&message("hello"), &outcome);
        run(&kit, 1).await.unwrap();
    }
    assert_eq!(server.state().accepted, 1);
    let requests = server.requests();
    let request = &requests[0];
    assert_eq!(request.header("webhook-signature"), signature(request, SECRET));
    let json = request.json();
    assert_eq!(json["id"], request.header("webhook-id"));
    assert_eq!(json["message"]["seq"], 3);
    assert_eq!(json["outcome"], json!({ "decision": "accepted", "changed_by": ["filter"] }));
    assert_ne!(request.header("webhook-id"), requests[1].header("webhook-id"));
}

#[tokio::test]
async fn another_attempt_is_the_same_notification() {
    let server = Server::new(|n| if n < 2 { Reply::Status(503) } else { Reply::Status(202) }).await;
    let kit = telling(&server, json!({ "secret": SECRET })).await;
    kit.after(&message("hello"), ACCEPTED);
    for attempt in 1..=2 {
        assert!(matches!(run(&kit, attempt).await, Err(JobError::Retry(_))));
    }
    run(&kit, 3).await.unwrap();
    assert_eq!(kit.jobs(), 0);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(request.header("webhook-id"), requests[0].header("webhook-id"));
        assert_eq!(request.body, requests[0].body);
        assert_eq!(request.header("webhook-signature"), signature(request, SECRET));
    }
}

#[tokio::test]
async fn what_may_pass_is_tried_again_and_what_may_not_is_given_up() {
    for status in [200, 201, 202, 204] {
        assert!(attempt(Reply::Status(status)).await.is_ok(), "{status}");
    }
    for status in [408, 425, 429, 500, 502, 503, 504] {
        let result = attempt(Reply::Status(status)).await;
        assert!(matches!(result, Err(JobError::Retry(_))), "{status}");
    }
    for status in [301, 302, 307, 400, 401, 403, 404, 410, 413, 422] {
        let result = attempt(Reply::Status(status)).await;
        assert!(matches!(result, Err(JobError::GiveUp(_))), "{status}");
    }
    let garbage = attempt(Reply::Raw("garbage\r\n\r\n".into())).await;
    assert!(matches!(garbage, Err(JobError::Retry(_))));
    // What a service says besides its status is not waited for.
    assert!(attempt(Reply::Drip).await.is_ok());
    let long =
        "HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n".to_owned() + &"x".repeat(99_999);
    assert!(attempt(Reply::Raw(long)).await.is_ok());
}

async fn attempt(reply: Reply) -> Result<(), JobError> {
    let server = Server::always(reply).await;
    let kit = telling(&server, json!({})).await;
    kit.after(&message("hello"), ACCEPTED);
    run(&kit, 1).await
}

#[tokio::test]
async fn a_service_that_is_not_there_is_tried_again() {
    let (_taken, address) = nobody_there();
    let options = json!({ "mode": "notify", "url": format!("http://{address}") });
    let kit = Kit::<Webhook>::new(options).unwrap();
    kit.start().await.unwrap();
    kit.after(&message("hello"), ACCEPTED);
    assert!(matches!(run(&kit, 1).await, Err(JobError::Retry(_))));
    assert_eq!(kit.jobs(), 1);
}

#[tokio::test]
async fn a_full_queue_and_a_rehearsal_send_nothing() {
    let server = Server::always(Reply::Status(204)).await;
    let kit = telling(&server, json!({})).await;
    kit.fill_queue();
    kit.after(&message("hello"), ACCEPTED);
    assert_eq!(kit.jobs(), 0);

    let options = json!({ "mode": "notify", "url": server.url() });
    let kit = Kit::<Webhook>::new(options).unwrap();
    kit.rehearse().await.unwrap();
    kit.after(&message("hello"), ACCEPTED);
    assert_eq!(kit.jobs(), 0);
    assert_eq!(ask(&kit).await.unwrap().verdict, Verdict::Pass);
    assert_eq!(server.state().accepted, 0);
}

#[tokio::test]
async fn attempts_are_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    let _guard = metrics::set_default_local_recorder(&recorder);
    let server = Server::new(|n| if n < 2 { Reply::Status(503) } else { Reply::Status(204) }).await;
    let kit = telling(&server, json!({})).await;
    kit.after(&message("hello"), ACCEPTED);
    for attempt in 1..=3 {
        let _ = run(&kit, attempt).await;
    }
    let counted = read(&snapshotter);
    assert_eq!(counted["confab_webhook_requests_total{plugin=webhook,result=refused}"], 2);
    assert_eq!(counted["confab_webhook_requests_total{plugin=webhook,result=ok}"], 1);
    assert_eq!(counted["confab_webhook_request_duration_seconds{plugin=webhook}"], 3);
}
