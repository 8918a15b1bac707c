//! Each request has an id, in its answer and in its lines of the log.

use serde_json::json;

use crate::{
    VERBOSE,
    support::{Daemon, client::PASSWORD, wait::until},
};

/// Asks for a profile under these headers: the id that is answered, and the status.
fn ask(daemon: &Daemon, headers: &[(&str, &str)]) -> (String, u16) {
    let config = ureq::Agent::config_builder().http_status_as_error(false).build();
    let agent: ureq::Agent = config.into();
    let mut request = agent.get(daemon.url("/users/me?token=hush"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.call().expect("an answer");
    let id = response.headers()["x-request-id"].to_str().expect("a text").to_owned();
    (id, response.status().as_u16())
}

fn is_hex(id: &str) -> bool {
    id.len() == 32 && id.bytes().all(|c| c.is_ascii_hexdigit())
}

#[tokio::test]
async fn a_request_has_an_id_in_its_answer_and_in_the_log() {
    let json_lines = VERBOSE.to_owned() + "format = \"json\"\n";
    let daemon = Daemon::start(&json_lines);
    let (made, status) = ask(&daemon, &[]);
    assert!(is_hex(&made) && status == 401, "{made} {status}");
    assert_eq!(ask(&daemon, &[("X-Request-Id", "proxy-7.a_B")]).0, "proxy-7.a_B");
    for odd in ["", "a b", "a=b", "<b>", &"x".repeat(65)] {
        let (id, _) = ask(&daemon, &[("X-Request-Id", odd)]);
        assert!(is_hex(&id), "{odd}: {id}");
    }
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    assert_eq!(ask(&daemon, &[("traceparent", &parent)]).0, trace);
    let both = [("traceparent", parent.as_str()), ("X-Request-Id", "mine")];
    assert_eq!(ask(&daemon, &both).0, "mine");

    // An event of a request is part of its trace.
    let body = json!({"username": "ann", "password": PASSWORD});
    let (_, headers, _) = daemon.http().post("/register", "application/json", body.to_string());
    let registered = headers["x-request-id"].to_str().unwrap().to_owned();
    let lines = until("the log has them", async || {
        let log = daemon.log();
        let complete = log.ends_with('\n') && log.contains("\"path\":\"/register\"");
        (complete && log.matches("\"answered\"").count() >= 10).then_some(log)
    })
    .await;
    assert!(!lines.contains("hush"), "a query is not logged");
    let of = |id: &str, message: &str| {
        let lines = lines.lines().filter(|line| line.contains('{'));
        let lines = lines.map(|line| serde_json::from_str::<serde_json::Value>(line).expect(line));
        lines.filter(|line| line["span"]["id"] == id && line["message"] == message).count()
    };
    assert_eq!((of(&made, "answered"), of("proxy-7.a_B", "answered")), (1, 1), "{lines}");
    assert_eq!((of("mine", "answered"), of(&registered, "answered")), (1, 1), "{lines}");
    assert_eq!(of(&registered, "an event"), 1, "{lines}");
    assert!(lines.contains(&format!("\"trace\":\"{registered}\"")), "{lines}");
}
