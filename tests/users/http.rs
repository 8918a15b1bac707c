//! `POST /password` and `POST /logout-all`.

use std::time::Instant;

use serde_json::json;

use super::{
    support::{
        Daemon,
        client::{Account, PASSWORD},
    },
    world::{AT_ONCE, all_end, is_good, is_refused, nodes, sessions},
};

const OTHER: &str = "another horse battery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_changes_their_password() {
    let nodes = nodes();
    let http = nodes[0].http();
    let ann = http.register("ann");
    let mut sessions = sessions(&nodes, &ann).await;
    for (current, new, status, code) in [
        ("wrong password", OTHER, 401, "bad_credentials"),
        (PASSWORD, "short", 422, "invalid_password"),
    ] {
        let body = json!({"current": current, "new": new});
        let (found, body) = http.post_as("/password", &ann.token, &body);
        assert!(found == status && body["code"] == code, "{found} {body}");
    }
    assert!(sessions[0].is_quiet().await, "nothing has changed so far");

    let body = json!({"current": PASSWORD, "new": OTHER});
    assert_eq!(http.post_json("/password", &body).0, 401, "a token is missing");
    let (status, granted) = http.post_as("/password", &ann.token, &body);
    assert_eq!((status, &granted["user_id"]), (200, &json!(ann.id)), "{granted}");
    let token = granted["access_token"].as_str().unwrap().to_owned();
    let renewed = Account { token, ..ann.clone() };
    is_good(&nodes, &renewed).await;
    let took = all_end(&mut sessions, Instant::now()).await;
    println!("sessions on {} nodes were closed {took:?} after POST /password", nodes.len());
    assert!(took < AT_ONCE, "{took:?}");
    is_refused(&nodes, &ann, 401, "session_ended").await;
    is_good(&nodes, &renewed).await;
    let (status, _) = http.post_as("/password", &ann.token, &body);
    assert_eq!(status, 401, "the old token changes nothing");
    for (password, expected) in [(PASSWORD, 401), (OTHER, 200)] {
        let body = json!({"username": "ann", "password": password});
        assert_eq!(nodes.last().unwrap().http().post_json("/login", &body).0, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_logs_out_everywhere() {
    let nodes = nodes();
    let ann = nodes[0].http().register("ann");
    let other = nodes[0].http().login("ann");
    let mut sessions = sessions(&nodes, &ann).await;
    let (status, body) = nodes[0].http().post_as("/logout-all", &ann.token, &json!({}));
    assert_eq!((status, body), (204, json!("")));
    let answered = Instant::now();
    let end = tokio::spawn(async move { all_end(&mut sessions, answered).await });
    // In the same second, as a rule: what was made before is refused, what is made now is not.
    let again = nodes.last().unwrap().http().login("ann");
    is_good(&nodes, &again).await;
    let took = end.await.expect("they end");
    println!("sessions on {} nodes were closed {took:?} after POST /logout-all", nodes.len());
    assert!(took < AT_ONCE, "{took:?}");
    is_refused(&nodes, &ann, 401, "session_ended").await;
    is_refused(&nodes, &other, 401, "session_ended").await;
    let (status, _) = nodes[0].http().post_as("/logout-all", &ann.token, &json!({}));
    assert_eq!(status, 401);
    is_good(&nodes, &again).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_not_guessed_with_a_token() {
    let daemon = Daemon::start("[limits]\nauth_rate = 1\nauth_burst = 4\n");
    let ann = daemon.http().register("ann");
    let guess = json!({"current": "wrong password", "new": OTHER});
    let mut statuses: Vec<u16> = Vec::new();
    for _ in 0..5 {
        statuses.push(daemon.http().post_as("/password", &ann.token, &guess).0);
    }
    assert_eq!(statuses, [401, 401, 401, 429, 429]);
}
