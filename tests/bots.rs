//! A plugin's bot talks like anybody, answers once, and cannot be logged in to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use serde_json::json;
use support::{Client, Daemon, wait::until};

const HELPER: &str = r#"
[[plugins]]
use = "autoreply"
options = { bot = "helper", fallback = "I do not know, {user}.", cooldown = "1h", rules = [
    { words = ["open"], reply = "From 9 to 5." },
    { words = ["swear"], reply = "What the heck!" } ] }

[[plugins]]
use = "filter"
options = { mask_words = ["heck"] }
"#;

async fn until_logged(daemon: &Daemon, text: &str) {
    until(text, async || daemon.log().contains(text).then_some(())).await;
}

#[tokio::test]
async fn a_bot_answers_once_through_the_chain() {
    let mut daemon = Daemon::start(HELPER);
    until_logged(&daemon, "a bot is ready").await;
    let mut ann = daemon.client("ann").await;
    let ask =
        |text: &str, id: &str| json!({"event":"message","to":"@helper","content":text,"id":id});
    ann.send(ask("When do you open?", "m1")).await;
    assert_eq!(ann.next().await["seq"], 1);
    let reply = ann.next().await;
    assert_eq!((&reply["content"], &reply["seq"]), (&json!("From 9 to 5."), &json!(2)));

    // A retry is not answered again.
    ann.send(ask("When do you open?", "m1")).await;
    assert_eq!(ann.next().await["seq"], 1);
    let mut bob = daemon.client("bob").await;
    bob.send(ask("Do you swear?", "m2")).await;
    assert_eq!(bob.next().await["seq"], 1);
    let reply = bob.next().await;
    assert!(ann.is_quiet().await);
    assert_eq!(reply["content"], "What the ****!", "the bot's messages pass the chain");
    assert_eq!(reply["changed_by"], json!(["filter"]));

    // The same account after a restart, and nobody can log in to it.
    let helper = reply["from"].clone();
    daemon.restart(false);
    until(r"the bot is back", async || {
        (daemon.log().matches("a bot is ready").count() == 2).then_some(())
    })
    .await;
    for password in ["!bot", "", "helper"] {
        let body = json!({"username":"helper","password":password});
        assert_eq!(daemon.http().post_json("/login", &body).0, 401);
    }
    let body = json!({"username":"helper","password":"long enough"});
    assert_eq!(daemon.http().post_json("/register", &body).0, 409);
    let profile = daemon.http().get_json("/users/@helper", &ann.account.token);
    assert_eq!(profile["user_id"], helper);
    assert!(!daemon.log().contains("cannot be used"), "no hash is no defect:\n{}", daemon.log());
}

#[tokio::test]
async fn a_persons_account_is_never_taken_for_a_bot() {
    let mut daemon = Daemon::start("");
    let helper = daemon.http().register("helper");
    assert!(daemon.stop().success());
    let config = daemon.folder().join("confab.toml");
    let text = std::fs::read_to_string(&config).unwrap();
    std::fs::write(&config, format!("{text}{HELPER}")).unwrap();
    daemon.start_again();
    until_logged(&daemon, "belongs to a person").await;
    let mut helper = Client::connect(daemon.address(), &helper).await;
    let mut ann = daemon.client("ann").await;
    ann.say("@helper", "are you open?").await;
    assert_eq!(ann.next().await["seq"], 1);
    assert_eq!(helper.next().await["seq"], 1);
    ann.say("@helper", "hello?").await;
    assert_eq!(ann.next().await["seq"], 2, "nobody answered in between");
}
