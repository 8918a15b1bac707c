//! Refresh tokens: access tokens can be short, a stolen refresh token is found out, and a logout
//! ends one login alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::thread;

use serde_json::{Value, json};
use support::{
    Client, Daemon,
    client::{Account, End, PASSWORD},
};

const FAST: &str = "argon2_memory = \"8MiB\"\nargon2_iterations = 1\n";

fn daemon(auth: &str) -> Daemon {
    Daemon::start(&format!("[auth]\n{FAST}{auth}"))
}

fn call(daemon: &Daemon, path: &str, name: &str) -> Value {
    let body = json!({"username": name, "password": PASSWORD});
    let (status, answer) = daemon.http().post_json(path, &body);
    assert!(status == 200 || status == 201, "{answer}");
    answer
}

fn login(daemon: &Daemon, name: &str) -> Value {
    call(daemon, "/login", name)
}

fn refresh(daemon: &Daemon, answer: &Value) -> (u16, Value) {
    let body = json!({"refresh_token": answer["refresh_token"]});
    daemon.http().post_json("/refresh", &body)
}

fn refreshed(daemon: &Daemon, answer: &Value) -> Value {
    let (status, next) = refresh(daemon, answer);
    assert_eq!(status, 200, "{next}");
    next
}

fn refused(daemon: &Daemon, answer: &Value) {
    let (status, body) = refresh(daemon, answer);
    assert_eq!((status, &body["code"]), (401, &json!("bad_refresh_token")), "{body}");
}

fn log_out(daemon: &Daemon, answer: &Value) -> u16 {
    let body = json!({"refresh_token": answer["refresh_token"]});
    daemon.http().post_json("/logout", &body).0
}

fn account(answer: &Value) -> Account {
    let text = |key: &str| answer[key].as_str().unwrap().to_owned();
    Account { id: text("user_id"), name: text("username"), token: text("access_token") }
}

async fn session(daemon: &Daemon, answer: &Value) -> Client {
    Client::connect(daemon.address(), &account(answer)).await
}

async fn open(session: &mut Client) {
    session.say("@ann", "still here").await;
    while session.next().await["content"] != "still here" {}
}

async fn ended(session: &mut Client) {
    let end = session.end().await;
    assert!(matches!(end, End::Closed(4403, _)), "{end:?}");
}

#[tokio::test]
async fn a_login_goes_on_with_short_tokens() {
    let mut daemon = daemon("token_lifetime = \"1m\"\nrefresh_grace = \"0s\"\n");
    let first = call(&daemon, "/register", "ann");
    assert_eq!(first["expires_in"], 60);
    let left = first["refresh_expires_in"].as_u64().unwrap();
    assert!((2_591_000..=2_592_000).contains(&left), "{left}");
    let mut seen = vec![first["refresh_token"].clone()];
    let mut last = first.clone();
    for round in 0..6 {
        if round == 3 {
            daemon.restart(true);
        }
        last = refreshed(&daemon, &last);
        assert_eq!((&last["user_id"], &last["username"]), (&first["user_id"], &json!("ann")));
        assert!(!seen.contains(&last["refresh_token"]));
        seen.push(last["refresh_token"].clone());
        let me = daemon.http().get_json("/users/me", &account(&last).token);
        assert_eq!(me["username"], "ann");
    }
    let mut session = session(&daemon, &last).await;
    open(&mut session).await;
    assert!(!daemon.log().contains("crt_"), "{}", daemon.log());
    for (body, status) in [
        ("{}", 400),
        ("{\"refresh_token\":1}", 400),
        ("{\"refresh_token\":\"\"}", 401),
        ("{\"refresh_token\":\"crt_x\"}", 401),
        ("", 400),
    ] {
        for path in ["/refresh", "/logout"] {
            let (got, _, answer) = daemon.http().post(path, "application/json", body);
            let status = if path == "/logout" && status == 401 { 204 } else { status };
            assert_eq!(got, status, "{path} {body}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_token_that_comes_again_ends_its_login_on_every_node() {
    let daemon = daemon("refresh_grace = \"0s\"\n");
    let other = daemon.another_node();
    let other = other.as_ref().unwrap_or(&daemon);
    call(&daemon, "/register", "ann");
    let (stolen, apart) = (login(&daemon, "ann"), login(&daemon, "ann"));
    let (mut here, mut there) = (session(&daemon, &stolen).await, session(other, &stolen).await);
    let mut bystander = session(other, &apart).await;
    let second = refreshed(other, &stolen);
    let third = refreshed(&daemon, &second);
    let mut newest = session(&daemon, &third).await;
    refused(other, &stolen);
    for session in [&mut here, &mut there, &mut newest] {
        ended(session).await;
    }
    refused(&daemon, &third);
    open(&mut bystander).await;
    refreshed(&daemon, &apart);
    assert_eq!(other.metric("confab_refresh_tokens_reused_total"), 1.0);
}

#[tokio::test]
async fn a_lost_answer_can_be_asked_for_again() {
    let daemon = daemon("refresh_grace = \"5m\"\n");
    let first = call(&daemon, "/register", "ann");
    let second = refreshed(&daemon, &first);
    let again = refreshed(&daemon, &first);
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    let third = refreshed(&daemon, &again);
    refused(&daemon, &first);
    refused(&daemon, &third);
}

#[tokio::test]
async fn many_who_refresh_at_once_get_one_token() {
    let daemon = daemon("");
    let other = daemon.another_node();
    let first = call(&daemon, "/register", "ann");
    let answers: Vec<Value> = thread::scope(|scope| {
        let nodes = [&daemon, other.as_ref().unwrap_or(&daemon)];
        let calls: Vec<_> = (0..8)
            .map(|n| {
                let (node, first) = (nodes[n % 2], &first);
                scope.spawn(move || refreshed(node, first))
            })
            .collect();
        calls.into_iter().map(|call| call.join().expect("an answer")).collect()
    });
    for answer in &answers {
        assert_eq!(answer["refresh_token"], answers[0]["refresh_token"]);
        daemon.http().get_json("/users/me", &account(answer).token);
    }
    refreshed(&daemon, &answers[0]);
}

#[tokio::test]
async fn a_logout_ends_one_login_and_its_sessions() {
    let daemon = daemon("");
    let other = daemon.another_node();
    let other = other.as_ref().unwrap_or(&daemon);
    call(&daemon, "/register", "ann");
    let (one, two) = (login(&daemon, "ann"), login(&daemon, "ann"));
    let one = refreshed(&daemon, &one);
    let (mut here, mut there) = (session(&daemon, &one).await, session(other, &one).await);
    let mut stays = session(other, &two).await;
    assert_eq!(log_out(&daemon, &one), 204);
    ended(&mut here).await;
    ended(&mut there).await;
    refused(other, &one);
    assert_eq!(log_out(&daemon, &one), 204, "it is over already");
    open(&mut stays).await;
    refreshed(&daemon, &two);
}

#[tokio::test]
async fn what_ends_all_sessions_ends_all_logins() {
    let daemon = daemon("");
    call(&daemon, "/register", "ann");
    let (one, two) = (login(&daemon, "ann"), login(&daemon, "ann"));
    let two = refreshed(&daemon, &two);
    let request = ureq::post(daemon.url("/logout-all"));
    let request = request.header("Authorization", format!("Bearer {}", account(&one).token));
    assert_eq!(request.send_empty().unwrap().status(), 204);
    refused(&daemon, &one);
    refused(&daemon, &two);
    let after = refreshed(&daemon, &login(&daemon, "ann"));
    daemon.http().get_json("/users/me", &account(&after).token);
}

#[tokio::test]
async fn logins_are_bounded_and_can_be_without_refresh_tokens() {
    let daemon = daemon("logins_per_user = 2\n");
    let first = call(&daemon, "/register", "ann");
    let second = login(&daemon, "ann");
    let first = refreshed(&daemon, &first);
    let third = login(&daemon, "ann");
    refused(&daemon, &second);
    refreshed(&daemon, &first);
    refreshed(&daemon, &third);

    let without = self::daemon("refresh_lifetime = \"0s\"\n");
    let answer = call(&without, "/register", "ann");
    let fields: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["user_id", "username", "access_token", "token_type", "expires_in"]);
    without.http().get_json("/users/me", &account(&answer).token);
    let (status, body) = without.http().post_json("/refresh", &json!({"refresh_token": "crt_"}));
    assert_eq!((status, &body["code"]), (401, &json!("bad_refresh_token")));
}

#[tokio::test]
async fn refreshes_are_limited_apart_from_logins() {
    let toml = format!("[auth]\n{FAST}[limits]\nauth_rate = 1\nauth_burst = 3\n");
    let daemon = Daemon::start(&toml);
    let mut answer = call(&daemon, "/register", "ann");
    for _ in 0..3 {
        answer = refreshed(&daemon, &answer);
    }
    let (status, body) = refresh(&daemon, &answer);
    assert_eq!((status, &body["code"]), (429, &json!("rate_limited")));
    login(&daemon, "ann");
}
