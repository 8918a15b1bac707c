//! The nodes of a chat, who is connected to them, and the command that changes accounts.

use std::{
    io::Write as _,
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use crate::support::{Client, Daemon, client::Account, client::End};

/// Within this time after a change, every session of the user is over.
pub const AT_ONCE: Duration = Duration::from_secs(1);

/// No rate: tests are impatient.
pub const HASTY: &str = "[limits]\nauth_rate = 0\nconnect_rate = 0\nframe_rate = 0\n";

/// One node on the embedded store; two where there are several.
pub fn nodes() -> Vec<Daemon> {
    let one = Daemon::start(HASTY);
    let two = one.another_node();
    std::iter::once(one).chain(two).collect()
}

/// Two sessions on each node.
pub async fn sessions(nodes: &[Daemon], account: &Account) -> Vec<Client> {
    let mut sessions = Vec::new();
    for node in nodes.iter().chain(nodes) {
        sessions.push(Client::connect(node.address(), account).await);
    }
    sessions
}

/// Runs `confab user …` with the daemon's configuration, and gives it this input.
pub fn run(mut command: Command, arguments: &[&str], input: &str) -> Output {
    let mut child = command
        .arg("user")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that fails early takes no input.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The same; it must succeed. What it says.
pub fn user(node: &Daemon, arguments: &[&str], input: &str) -> String {
    let done = run(node.command(), arguments, input);
    let error = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && error.is_empty(), "{arguments:?}: {error}");
    String::from_utf8(done.stdout).unwrap()
}

/// The same; it must fail with status 1, in one line.
pub fn fails(node: &Daemon, arguments: &[&str], input: &str) -> String {
    let done = run(node.command(), arguments, input);
    assert_eq!(done.status.code(), Some(1), "{arguments:?}: {done:?}");
    assert!(done.stdout.is_empty(), "{arguments:?}: {done:?}");
    let error = String::from_utf8(done.stderr).unwrap();
    assert!(error.starts_with("error: ") && error.lines().count() == 1, "{error}");
    error
}

/// Waits for the end of all these sessions, which are told why; says how long the last one took.
pub async fn all_end(sessions: &mut [Client], since: Instant) -> Duration {
    for session in sessions {
        let expected = End::Closed(4403, "your sessions were ended: log in again".to_owned());
        assert_eq!(session.end().await, expected);
    }
    since.elapsed()
}

/// Every use of the token is refused, on each node, for this reason.
pub async fn is_refused(nodes: &[Daemon], account: &Account, status: u16, code: &str) {
    for node in nodes {
        let (found, body) = node.http().get("/users/me", Some(&account.token));
        assert!(found == status && body.contains(code), "{found} {body}");
        let path = format!("/ws/{}?token={}", account.id, account.token);
        let (found, body) = Client::try_connect(node.address(), &path, &[]).await.unwrap_err();
        assert!(found == status && body["code"] == code, "{found} {body}");
    }
}

/// The token is good on each node.
pub async fn is_good(nodes: &[Daemon], account: &Account) {
    for node in nodes {
        let me = node.http().get_json("/users/me", &account.token);
        assert_eq!(me["user_id"], *account.id);
        Client::connect(node.address(), account).await.close().await;
    }
}
