//! `X-Forwarded-For`, as proxies send it.

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Daemon, client::Account, wait};

const TRUSTED: &str = "[server]\ntrusted_proxies = [\"127.0.0.1\"]\n";

/// A login for which a proxy says this: its status.
fn login(daemon: &Daemon, forwarded_for: &[&str]) -> u16 {
    let body = json!({"username": "ann", "password": crate::support::client::PASSWORD});
    let agent: ureq::Agent =
        ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.post(daemon.url("/login")).header("Content-Type", "application/json");
    for line in forwarded_for {
        request = request.header("X-Forwarded-For", *line);
    }
    request.send(body.to_string()).expect("an answer").status().as_u16()
}

/// Asks for a session of which a proxy says this; the connection, and the answer's status.
async fn session(daemon: &Daemon, account: &Account, forwarded_for: &str) -> (TcpStream, u16) {
    let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
    let request = format!(
        "GET /ws/{}?token={} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         X-Forwarded-For: {forwarded_for}\r\n\r\n",
        account.id, account.token
    );
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut head = [0; 12];
    socket.read_exact(&mut head).await.expect("an answer");
    (socket, String::from_utf8_lossy(&head)[9..].parse().expect("a status"))
}

/// The addresses of the events of this kind that the log plugin told of, in their order.
fn logged(daemon: &Daemon, kind: &str) -> Vec<String> {
    let lines = daemon.log();
    let lines = lines.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let events = lines.filter(|line| line["kind"] == kind);
    events.map(|line| line["address"].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test]
async fn plugins_and_the_log_are_told_the_clients_address() {
    let daemon = Daemon::start(&format!("{TRUSTED}[log]\nformat = \"json\"\n"));
    let ann = daemon.http().register("ann");
    let (_socket, status) = session(&daemon, &ann, "198.51.100.9, 203.0.113.7").await;
    assert_eq!(status, 101);
    assert_eq!(login(&daemon, &["198.51.100.9", "2001:db8::7"]), 200);
    assert_eq!(login(&daemon, &["203.0.113.7, what is this"]), 200);
    wait::until("both logins are logged", async || {
        (logged(&daemon, "login").len() == 2).then_some(())
    })
    .await;
    assert_eq!(logged(&daemon, "connect"), ["203.0.113.7"]);
    assert_eq!(logged(&daemon, "login"), ["2001:db8::7", "127.0.0.1"]);
}

#[tokio::test]
async fn logins_are_counted_by_the_clients_address() {
    let limits = "[limits]\nauth_rate = 1\nauth_burst = 2\n";
    let daemon = Daemon::start(&format!("{TRUSTED}{limits}"));
    daemon.http().register("ann");
    for client in ["203.0.113.7", "203.0.113.8"] {
        // What it writes itself into the header gives it no other address.
        let statuses = ["1.1.1.1", "2.2.2.2", "3.3.3.3"]
            .map(|invented| login(&daemon, &[&format!("{invented}, {client}")]));
        assert_eq!(statuses, [200, 200, 429], "{client}");
    }

    let daemon = Daemon::start(limits);
    daemon.http().register("ann");
    let statuses = ["1.1.1.1", "2.2.2.2"].map(|invented| login(&daemon, &[invented]));
    assert_eq!(statuses, [200, 429], "nobody is listed, so nobody is believed");
}

#[tokio::test]
async fn connections_are_counted_by_the_clients_address() {
    let limits = "[limits]\nconnections_per_address = 2\n";
    let daemon = Daemon::start(&format!("{TRUSTED}{limits}"));
    let ann = daemon.http().register("ann");
    let mut open = Vec::new();
    for client in ["203.0.113.7", "203.0.113.8"] {
        for expected in [101, 101, 429] {
            let (socket, status) = session(&daemon, &ann, client).await;
            assert_eq!(status, expected, "{client}");
            open.push(socket);
        }
    }
    assert_eq!(daemon.metric("confab_connections_refused_total"), 2.0);
    drop(open);
    wait::until("there is room again", async || {
        let (_socket, status) = session(&daemon, &ann, "203.0.113.7").await;
        (status == 101).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_reload_changes_who_is_believed() {
    let limits = "[limits]\nauth_rate = 1\nauth_burst = 1\n";
    let daemon = Daemon::start(limits);
    daemon.http().register("ann");
    assert_eq!(login(&daemon, &["203.0.113.7"]), 429, "counted for 127.0.0.1, as the registration");
    daemon.configure(&format!("{TRUSTED}{limits}"));
    let (status, answer) = daemon.admin().post_json("/reload", &json!({}));
    assert_eq!((status, &answer["needs_restart"]), (200, &json!([])), "{answer}");
    assert_eq!(login(&daemon, &["203.0.113.7"]), 200);
    daemon.configure("[server]\ntrusted_proxies = [\"10.0.0.1/8\"]\n");
    let (status, answer) = daemon.admin().post_json("/reload", &json!({}));
    assert_eq!(status, 422);
    assert!(answer.to_string().contains("write \\\"10.0.0.0/8\\\""), "{answer}");
    assert_eq!(login(&daemon, &["203.0.113.8"]), 200, "that of before goes on");
}
