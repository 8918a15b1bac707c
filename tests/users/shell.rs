//! `confab user` beside running daemons.

use std::time::Instant;

use serde_json::{Value, json};

use super::{
    support::client::PASSWORD,
    world::{AT_ONCE, all_end, fails, is_good, is_refused, nodes, sessions, user},
};

const OTHER: &str = "another horse battery";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_disabled_is_out_on_every_node_at_once() {
    let nodes = nodes();
    let (one, last) = (&nodes[0], nodes.last().unwrap());
    let ann = one.http().register("ann");
    let mut bob = last.client("bob").await;
    let mut sessions = sessions(&nodes, &ann).await;

    let begun = Instant::now();
    assert!(user(one, &["disable", "@ann"], "").starts_with("disabled ann; "));
    let command = begun.elapsed();
    let took = all_end(&mut sessions, Instant::now()).await;
    println!(
        "{} sessions on {} nodes were closed {took:?} after `confab user disable`, which took \
         {command:?}",
        sessions.len(),
        nodes.len()
    );
    assert!(took < AT_ONCE, "{took:?}");

    is_refused(&nodes, &ann, 401, "session_ended").await;
    for node in &nodes {
        let log_in = |password| {
            node.http().post_json("/login", &json!({"username": "ann", "password": password}))
        };
        let (status, body) = log_in(PASSWORD);
        assert!(status == 403 && body["code"] == "account_disabled", "{status} {body}");
        let (status, body) = log_in("wrong password");
        assert!(status == 401 && body["code"] == "bad_credentials", "{status} {body}");
    }
    // Others are not disturbed, and may write to her.
    bob.say("@ann", "see you").await;
    assert_eq!(bob.next().await["content"], "see you");

    assert_eq!(user(one, &["disable", "ann"], ""), "ann is disabled already\n");
    assert_eq!(user(one, &["enable", &ann.id], ""), "enabled ann\n");
    assert_eq!(user(one, &["enable", "ann"], ""), "ann is not disabled\n");
    let again = last.http().login("ann");
    is_good(&nodes, &again).await;
    is_refused(&nodes, &ann, 401, "session_ended").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_password_ends_what_the_old_one_began() {
    let nodes = nodes();
    let one = &nodes[0];
    let ann = one.http().register("ann");
    let mut sessions = sessions(&nodes, &ann).await;
    let said = user(one, &["passwd", "ann", "--password-stdin"], &format!("{OTHER}\n"));
    assert!(said.starts_with("new password for ann; "), "{said}");
    let took = all_end(&mut sessions, Instant::now()).await;
    assert!(took < AT_ONCE, "{took:?}");
    is_refused(&nodes, &ann, 401, "session_ended").await;
    for (password, expected) in [(PASSWORD, 401), (OTHER, 200)] {
        let body = json!({"username": "ann", "password": password});
        assert_eq!(nodes.last().unwrap().http().post_json("/login", &body).0, expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_logged_out_can_log_in_at_once() {
    let nodes = nodes();
    let ann = nodes[0].http().register("ann");
    let mut sessions = sessions(&nodes, &ann).await;
    assert!(user(&nodes[0], &["logout", "ann"], "").starts_with("logged out ann; "));
    is_good(&nodes, &nodes[0].http().login("ann")).await;
    all_end(&mut sessions, Instant::now()).await;
    is_refused(&nodes, &ann, 401, "session_ended").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_user_leaves_a_name_and_messages() {
    let nodes = nodes();
    let one = &nodes[0];
    let ann = one.http().register("ann");
    let mut bob = one.client("bob").await;
    let mut sessions = sessions(&nodes, &ann).await;
    sessions[0].say("@bob", "remember me").await;
    assert_eq!(bob.next_event("message").await["content"], "remember me");

    assert!(fails(one, &["delete", "ann"], "").contains("--yes"));
    assert!(user(one, &["delete", "ann", "--yes"], "").starts_with("deleted ann; "));
    let took = all_end(&mut sessions, Instant::now()).await;
    assert!(took < AT_ONCE, "{took:?}");
    is_refused(&nodes, &ann, 401, "session_ended").await;
    for command in ["disable", "enable", "logout", "delete"] {
        assert_eq!(fails(one, &[command, "ann"], ""), "error: ann is deleted\n");
    }

    bob.say("@ann", "are you there?").await;
    let error = bob.next().await;
    assert!(error["event"] == "error" && error["code"] == "user_deleted", "{error}");
    for node in &nodes {
        let profile = node.http().get_json("/users/@ann", &bob.account.token);
        assert_eq!(profile, json!({"user_id": ann.id, "username": "ann", "deleted": true}));
        let path = "/conversations/@ann/messages";
        let history = node.http().get_json(path, &bob.account.token);
        assert_eq!(history["messages"][0]["content"], "remember me");
        let body = json!({"username": "ann", "password": PASSWORD});
        assert_eq!(node.http().post_json("/login", &body).0, 401);
        let (status, body) = node.http().post_json("/register", &body);
        assert!(status == 409 && body["code"] == "username_taken", "{status} {body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn accounts_are_made_and_listed() {
    let nodes = nodes();
    let one = &nodes[0];
    let password = format!("{PASSWORD}\r\nmore\n");
    let add = ["add", "Zoe", "--display-name", "Zoë", "--password-stdin"];
    let said = user(one, &add, &password);
    let zoe = nodes.last().unwrap().http().login("zoe");
    assert_eq!(said, format!("added zoe, id {}\n", zoe.id));
    let ann = one.http().register("ann");
    user(one, &["disable", "ann"], "");

    let table = user(one, &["list"], "");
    let rows: Vec<Vec<&str>> = table.lines().map(|row| row.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["NAME", "STATE", "CREATED", "ID", "DISPLAY", "NAME"]);
    assert_eq!([rows[1][0], rows[1][1], rows[1][3]], ["ann", "disabled", &ann.id]);
    assert_eq!([rows[2][0], rows[2][1], rows[2][4]], ["zoe", "active", "Zoë"]);
    assert_eq!(rows.len(), 3);

    let list: Value = serde_json::from_str(&user(one, &["list", "--json"], "")).unwrap();
    let [ann_listed, zoe_listed] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!(ann_listed["state"], "disabled");
    assert_eq!(ann_listed["display_name"], Value::Null);
    assert!(ann_listed["disabled_at"].as_str() >= ann_listed["created_at"].as_str());
    assert_eq!(zoe_listed["user_id"], *zoe.id);
    assert_eq!(zoe_listed["disabled_at"], Value::Null);
    assert!(!table.contains("argon2") && !list.to_string().contains("argon2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn mistakes_are_told_in_a_line() {
    let nodes = nodes();
    let one = &nodes[0];
    one.http().register("ann");
    for (arguments, input, expected) in [
        (&["add", "ann", "--password-stdin"][..], PASSWORD, "the name ann is taken"),
        (&["add", "a", "--password-stdin"], PASSWORD, "2 to 32 characters"),
        (&["add", "bob", "--password-stdin"], "short", "at least 8 characters"),
        (&["add", "bob", "--display-name", "", "--password-stdin"], PASSWORD, "display name is"),
        (&["passwd", "ann", "--password-stdin"], "", "at least 8 characters"),
        (&["disable", "nobody"], "", "there is no user nobody"),
        (&["disable", "no body"], "", "no user \"no body\""),
        (&["enable", "01arz3ndektsv4rrffq69g5fav"], "", "there is no user 01arz"),
    ] {
        let error = fails(one, arguments, input);
        assert!(error.contains(expected), "{arguments:?}: {error}");
    }
    let list: Value = serde_json::from_str(&user(one, &["list", "--json"], "")).unwrap();
    assert_eq!(list.as_array().unwrap().len(), 1);
}
