//! What changes in the running daemon, what is said to need a restart, and the fingerprint.

use serde_json::{Value, json};

use crate::{
    support::{Client, Daemon},
    world::{hang_up, logged, reload},
};

/// A configuration whose only entry logs each event.
fn logging(more: &str) -> String {
    format!("[[plugins]]\nuse = \"log\"\noptions = {{ routine = \"info\" }}\n{more}")
}

/// What the log says of a message.
const HEARD: &str = "message accepted kind=\"message\"";

async fn send(client: &mut Client, text: &str) {
    client.say("@ann", text).await;
    assert_eq!(client.next().await["content"], text);
}

#[tokio::test]
async fn the_log_level_changes_at_once() {
    let daemon = Daemon::start(&logging("[log]\nlevel = \"warn\"\n"));
    let mut ann = daemon.client("ann").await;
    send(&mut ann, "unheard").await;
    daemon.configure(&logging("[log]\nlevel = \"info\"\n"));
    let (status, answer) = reload(&daemon);
    assert_eq!((status, &answer["changes"][0]["key"]), (200, &json!("log.level")), "{answer}");
    send(&mut ann, "heard").await;
    logged(&daemon, HEARD).await;
    assert!(!daemon.log().contains(" started "), "{}", daemon.log());
    let heard = daemon.log().matches(HEARD).count();
    assert_eq!(heard, 1, "{}", daemon.log());

    daemon.configure(&logging("[log]\nlevel = \"warn\"\n[limits]\npage = 7\n"));
    assert!(hang_up(&daemon).await);
    send(&mut ann, "unheard again").await;
    daemon.configure("nonsense");
    assert_eq!(reload(&daemon).0, 422);
    // Lines keep their order: this one is later than the message.
    logged(&daemon, "not reloaded").await;
    assert_eq!(daemon.log().matches(HEARD).count(), heard, "{}", daemon.log());
}

#[tokio::test]
async fn a_variable_decides_over_the_file_as_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("confab.toml");
    let write =
        |level: &str| std::fs::write(&file, logging(&format!("[log]\nlevel = \"{level}\"\n")));
    write("info").unwrap();
    let path = file.display().to_string();
    let daemon = Daemon::start_node(&[("RUST_LOG", "error"), ("CONFAB_CONFIG", &path)]);
    write("debug").unwrap();
    let (status, answer) = reload(&daemon);
    assert_eq!((status, &answer["changes"]), (200, &json!([])), "{answer}");
    let mut ann = daemon.client("ann").await;
    send(&mut ann, "unheard").await;
    std::fs::write(&file, "nonsense").unwrap();
    assert_eq!(reload(&daemon).0, 422);
    logged(&daemon, "not reloaded").await;
    assert!(!daemon.log().contains("INFO"), "{}", daemon.log());
}

#[tokio::test]
async fn other_sites_may_use_it_at_once() {
    let daemon = Daemon::start("");
    let ann = daemon.http().register("ann");
    let allowed = async || {
        let path = format!("/ws/{}?token={}", ann.id, ann.token);
        let headers = [("origin", "https://app.example")];
        Client::try_connect(daemon.address(), &path, &headers).await.map_err(|(status, _)| status)
    };
    assert_eq!(allowed().await.err(), Some(403));
    daemon.configure("[server]\nallowed_origins = [\"https://app.example\"]\n");
    assert_eq!(reload(&daemon).1["needs_restart"], json!([]));
    assert!(allowed().await.is_ok());
    let request = ureq::get(daemon.url("/users/me")).header("Origin", "https://app.example");
    let request = request.header("Authorization", format!("Bearer {}", ann.token));
    let answer = request.call().unwrap();
    assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
    daemon.configure("");
    assert!(hang_up(&daemon).await);
    assert_eq!(allowed().await.err(), Some(403));
}

#[tokio::test]
async fn what_needs_a_restart_is_named_until_there_was_one() {
    let queue = |n: u8| format!("[bus.redis]\nqueue = {n}\n");
    let configuration = |n: u8, more: &str| {
        let auth = "[auth]\nargon2_memory = \"8MiB\"\nargon2_iterations = 1\n";
        format!("{auth}{}{more}", queue(n))
    };
    let mut daemon = Daemon::start(&configuration(5, "[store]\n"));
    let ann = daemon.http().register("ann");
    let hash = || daemon.metric("confab_config_hash");
    let before = hash();
    let more = "[limits]\npage = 1\n[store]\nreaders = 2\n";
    daemon.configure(&configuration(6, more));
    for generation in 2..4 {
        let (status, answer) = reload(&daemon);
        assert_eq!((status, &answer["generation"]), (200, &json!(generation)));
        let needs = json!(["bus.redis.queue", "limits.page", "store.readers"]);
        assert_eq!(answer["needs_restart"], needs);
        let page = json!({"key": "limits.page", "old": "100", "new": "1", "live": false});
        assert_eq!(answer["changes"][1], page);
        assert_eq!(daemon.metric("confab_config_restart_needed_keys"), 3.0);
    }
    assert_eq!(hash(), before, "what is in force is what it was");
    logged(
        &daemon,
        "needs a restart: the old values go on waits=3 changes=\"bus.redis.queue: \
         5 -> 6; limits.page: 100 -> 1; store.readers: 4 -> 2\"",
    )
    .await;
    assert_eq!(daemon.http().get_json("/users/me", &ann.token)["username"], "ann");

    daemon.configure(&configuration(5, "[store]\n"));
    let (_, answer) = reload(&daemon);
    assert_eq!((&answer["needs_restart"], &answer["changes"]), (&json!([]), &json!([])));
    assert_eq!(daemon.metric("confab_config_restart_needed_keys"), 0.0);

    daemon.configure(&configuration(5, more));
    assert!(hang_up(&daemon).await);
    daemon.restart(false);
    assert_eq!(daemon.metric("confab_config_generation"), 1.0);
    assert_eq!(daemon.metric("confab_config_restart_needed_keys"), 0.0);
    assert_ne!(daemon.metric("confab_config_hash"), before);
    let page: Value = daemon.http().get_json("/conversations?limit=50", &ann.token);
    assert_eq!(page["conversations"], json!([]));
}

#[tokio::test]
async fn nodes_have_one_fingerprint_until_they_drift_apart() {
    let (one, mut two) = (Daemon::start(&logging("")), Daemon::start(&logging("")));
    // Now it listens on another address than the first, and it had another folder all along.
    two.restart(false);
    let hash = |node: &Daemon| node.metric("confab_config_hash");
    assert_eq!(hash(&one), hash(&two));
    assert_ne!(hash(&one), 0.0);

    let drifted = logging("percent = 50\nmode = \"shadow\"\n");
    two.configure(&drifted);
    let (_, answer) = reload(&two);
    assert_ne!(hash(&one), hash(&two));
    assert_eq!(answer["config"], format!("{:012x}", hash(&two) as u64), "the same in the metric");
    logged(&two, &format!("config={}", answer["config"].as_str().unwrap())).await;
    logged(&two, "started").await;

    one.configure(&drifted);
    assert!(hang_up(&one).await);
    assert_eq!(hash(&one), hash(&two));
    assert_eq!(one.metric("confab_config_generation"), 2.0);
    assert!(one.metric("confab_config_last_reload_success_timestamp_seconds") > 1.7e9);
}
