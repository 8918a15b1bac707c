//! Keys of tokens are replaced while the daemon runs: nobody is logged out, no session closes, and
//! once a key is no longer listed its tokens are worth nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;
use support::{
    Client, Daemon,
    client::{Account, End},
};
use tempfile::TempDir;

/// Cheap passwords, and keys in files.
const AUTH: &str = "[auth]\nargon2_memory = \"8MiB\"\nargon2_iterations = 1\n";

/// A folder for what daemons are given: key files and data.
struct World {
    folder: TempDir,
}

impl World {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a key file.
    fn key(&self, name: &str, text: &str) {
        fs::write(self.path(name), format!("{text}\n")).unwrap();
    }

    /// `[auth]` with these files for the current and the previous keys.
    fn auth(&self, current: &str, previous: &[&str]) -> String {
        let previous: Vec<_> = previous.iter().map(|name| self.path(name)).collect();
        let current = self.path(current);
        format!("{AUTH}secret_key_file = {current:?}\nprevious_secret_key_files = {previous:?}\n")
    }

    fn daemon(&self, data: &str, toml: &str) -> Daemon {
        Daemon::start_with(toml, Some(&self.path(data)), &[])
    }
}

const ONE: &str = "Vb4qYxTz0c8ZfW1kQ2mN7sLr9pD3hJ5gA6uE";
const TWO: &str = "hK8wZr2nXv5tPq1yGd7mBf3cLs9jUe6oTa4i";
const THREE: &str = "Qm6rDk1xWz9bHv4nYt7cJp2sFg8lEu5oRi3a";

fn reload(daemon: &Daemon) -> (u16, Value) {
    let (status, _, answer) = daemon.admin().post("/reload", "application/json", "");
    (status, answer)
}

/// Reloads, which must succeed and need no restart.
fn reloaded(daemon: &Daemon) -> Value {
    let (status, answer) = reload(daemon);
    assert_eq!(status, 200, "{answer}");
    assert_eq!(answer["needs_restart"], Value::Array(Vec::new()), "{answer}");
    answer
}

fn is_good(daemon: &Daemon, account: &Account) -> bool {
    let (status, body) = daemon.http().get("/users/me", Some(&account.token));
    assert!(status == 200 || status == 401 && body.contains("bad_token"), "{status} {body}");
    status == 200
}

async fn still_open(session: &mut Client, text: &str) {
    session.say("@ann", text).await;
    assert_eq!(session.next().await["content"], text);
}

#[tokio::test]
async fn a_key_is_replaced_in_its_file_while_sessions_go_on() {
    let world = World::new();
    world.key("current", ONE);
    let toml = world.auth("current", &[]);
    let daemon = world.daemon("data", &toml);
    let old = daemon.http().register("ann");
    let mut session = Client::connect(daemon.address(), &old).await;

    world.key("previous", ONE);
    world.key("current", TWO);
    daemon.configure(&world.auth("current", &["previous"]));
    let answer = reloaded(&daemon);
    assert!(!answer.to_string().contains(ONE) && !answer.to_string().contains(TWO));
    let new = daemon.http().login("ann");
    assert!(is_good(&daemon, &old) && is_good(&daemon, &new));
    still_open(&mut session, "with the old token").await;
    let mut second = Client::connect(daemon.address(), &old).await;
    assert!(daemon.metric("confab_tokens_of_previous_keys_total") > 0.0);

    // Only what is in a file changes now, not one word of the configuration.
    world.key("previous", TWO);
    world.key("current", THREE);
    let answer = reloaded(&daemon);
    assert!(answer["changes"].to_string().contains("auth.keys"), "{answer}");
    assert!(!is_good(&daemon, &old) && is_good(&daemon, &new));
    let newest = daemon.http().login("ann");

    daemon.configure(&world.auth("current", &[]));
    reloaded(&daemon);
    assert!(!is_good(&daemon, &new) && is_good(&daemon, &newest));
    still_open(&mut session, "though its token would get nobody in").await;
    let _ = second.next().await;
    still_open(&mut second, "and here").await;
    let log = daemon.log();
    assert!([ONE, TWO, THREE].iter().all(|key| !log.contains(key)), "{log}");
    assert_eq!(reloaded(&daemon)["changes"], Value::Array(Vec::new()), "nothing changed");
}

#[tokio::test]
async fn a_bad_key_file_fails_the_reload_and_the_old_keys_go_on() {
    let world = World::new();
    world.key("current", ONE);
    world.key("previous", TWO);
    let daemon = world.daemon("data", &world.auth("current", &["previous"]));
    let ann = daemon.http().register("ann");
    let mut session = Client::connect(daemon.address(), &ann).await;
    let fails = |what: &str| {
        let (status, answer) = reload(&daemon);
        assert_eq!(status, 422, "{answer}");
        assert!(answer.to_string().contains(what), "{what}: {answer}");
        assert_eq!(daemon.metric("confab_config_last_reload_successful"), 0.0);
        assert!(is_good(&daemon, &ann) && is_good(&daemon, &daemon.http().login("ann")));
    };
    world.key("current", "short");
    fails("has 5 bytes");
    world.key("current", "changeme-changeme-changeme-changeme");
    fails("placeholder");
    fs::remove_file(world.path("current")).unwrap();
    fails("No such file");
    world.key("current", ONE);
    world.key("previous", "short");
    fails("has 5 bytes");
    fs::remove_file(world.path("previous")).unwrap();
    fails("No such file");
    daemon.configure(&world.auth("current", &["a"; 9]));
    fails("at most 8 files");
    still_open(&mut session, "all the while").await;
    daemon.configure(&world.auth("current", &[]));
    reloaded(&daemon);
    assert!(is_good(&daemon, &ann));
}

#[tokio::test]
async fn keys_wait_for_a_restart_with_their_algorithm() {
    let world = World::new();
    world.key("current", ONE);
    let daemon = world.daemon("data", &world.auth("current", &[]));
    let ann = daemon.http().register("ann");
    world.key("current", TWO);
    let toml = format!("{}algorithm = \"HS512\"\n", world.auth("current", &[]));
    daemon.configure(&toml);
    let (status, answer) = reload(&daemon);
    assert_eq!(status, 200);
    let needs = answer["needs_restart"].to_string();
    assert!(needs.contains("auth.algorithm") && needs.contains("auth.secret_key"), "{needs}");
    assert!(is_good(&daemon, &ann));
}

#[tokio::test]
async fn two_nodes_that_switch_at_different_moments_accept_each_others_tokens() {
    let world = World::new();
    world.key("old", ONE);
    world.key("new", TWO);
    let before = world.auth("old", &[]);
    // Both know the same account.
    let mut first = world.daemon("one", &before);
    first.http().register("ann");
    assert!(first.stop().success());
    copy(&world.path("one"), &world.path("two"));
    let nodes = [world.daemon("one", &before), world.daemon("two", &before)];
    let mut tokens = vec![nodes[0].http().login("ann")];
    let mut sessions = Vec::new();
    for node in &nodes {
        sessions.push(Client::connect(node.address(), &tokens[0]).await);
    }
    let [old_and_next, new_and_old] = [world.auth("old", &["new"]), world.auth("new", &["old"])];
    // First all nodes learn the next key, then it becomes the current one, then the old one goes.
    for (step, toml) in [&old_and_next, &new_and_old].into_iter().enumerate() {
        for node in &nodes {
            node.configure(toml);
            reloaded(node);
            tokens.extend(nodes.iter().map(|node| node.http().login("ann")));
            for token in &tokens {
                assert!(nodes.iter().all(|node| is_good(node, token)), "step {step}");
            }
        }
    }
    let newest = tokens.last().expect("a token").clone();
    for node in &nodes {
        node.configure(&world.auth("new", &[]));
        reloaded(node);
        assert!(is_good(node, &newest) && !is_good(node, &tokens[0]));
    }
    for session in &mut sessions {
        still_open(session, "still here").await;
    }
}

#[tokio::test]
async fn the_command_replaces_the_key_beside_the_data() {
    let world = World::new();
    let daemon = world.daemon("data", AUTH);
    let old = daemon.http().register("ann");
    let mut session = Client::connect(daemon.address(), &old).await;
    let confab = |arguments: &[&str]| {
        let mut command = support::daemon::confab();
        command.args(arguments).arg("--data").arg(world.path("data"));
        output(&mut command)
    };
    let (good, listed) = confab(&["key", "list"]);
    assert!(good && listed.lines().count() == 1, "{listed}");
    let (good, told) = confab(&["key", "rotate"]);
    assert!(good && told.contains("secret_key.1") && told.contains("reload"), "{told}");
    let (_, listed) = confab(&["key", "list"]);
    assert_eq!(listed.lines().count(), 2, "{listed}");

    assert!(is_good(&daemon, &old), "nothing changes before the reload");
    let answer = reloaded(&daemon);
    let ids: Vec<_> = listed.lines().map(|line| line.split(' ').next().unwrap()).collect();
    let changed = answer["changes"][0]["new"].as_str().unwrap();
    assert_eq!(changed, ids.join(" "), "{answer}");
    let new = daemon.http().login("ann");
    assert!(is_good(&daemon, &old) && is_good(&daemon, &new));

    assert!(confab(&["key", "rotate", "--forget"]).0);
    reloaded(&daemon);
    assert!(!is_good(&daemon, &old) && !is_good(&daemon, &new));
    still_open(&mut session, "open until it ends").await;
    assert!(is_good(&daemon, &daemon.http().login("ann")));

    let mode = fs::metadata(world.path("data/secret_key")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let (good, told) = {
        let mut command = support::daemon::confab();
        output(command.args(["key", "rotate"]).env("SECRET_KEY", ONE))
    };
    assert!(!good && told.contains("docs/tokens.md"), "{told}");
}

fn output(command: &mut Command) -> (bool, String) {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(text).unwrap())
}

/// Copies the files of a folder.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

#[tokio::test]
async fn a_session_still_ends_with_its_token_after_a_reload() {
    let world = World::new();
    world.key("current", ONE);
    let auth =
        |current, previous: &[&str]| format!("{}leeway = \"0s\"\n", world.auth(current, previous));
    let daemon = world.daemon("data", &auth("current", &[]));
    let ann = daemon.http().register("ann");
    let token = expiring(&ann, ONE);
    let mut session = Client::connect(daemon.address(), &Account { token, ..ann }).await;
    world.key("previous", ONE);
    world.key("current", TWO);
    daemon.configure(&auth("current", &["previous"]));
    reloaded(&daemon);
    let end = session.end().await;
    assert!(matches!(end, End::Closed(4401, _)), "{end:?}");
}

/// A token of this account that is good for five seconds.
fn expiring(account: &Account, key: &str) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let claims = serde_json::json!({
        "iss": "confab", "aud": "confab", "sub": account.id, "iat": now, "nbf": now, "exp": now + 5,
    });
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let key = jsonwebtoken::EncodingKey::from_secret(key.as_bytes());
    jsonwebtoken::encode(&header, &claims, &key).unwrap()
}
