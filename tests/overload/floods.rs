//! Floods of what is cheap to send: fragments, sessions, logins.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    raw,
    support::{Client, Daemon, client::PASSWORD, wait},
};

#[tokio::test]
async fn a_message_of_endless_empty_fragments_is_cut_off() {
    let daemon = Daemon::start("");
    let (mut xan, mut yve) = (daemon.client("xan").await, daemon.client("yve").await);
    let ann = daemon.http().register("ann");
    let mut socket = raw::session(&daemon, &ann).await;
    let mut sent = raw::empty(1, false).len();
    let fragments = raw::empty(0, false).repeat(1000);
    socket.write_all(&raw::empty(1, false)).await.expect("written");
    while socket.write_all(&fragments).await.is_ok() {
        sent += fragments.len();
        assert!(sent < 16 * 1024 * 1024, "{sent} bytes are taken for one message");
        let closed = "confab_websocket_closed_total{reason=\"too_big\"}";
        if daemon.metric(closed) == 1.0 {
            break;
        }
    }
    let mut answer = Vec::new();
    let read = timeout(wait::DEADLINE, socket.read_to_end(&mut answer)).await;
    // A close frame, 1009, where the system did not throw it away with the connection.
    let _ = read.expect("it is closed");
    assert!(answer.is_empty() || answer.starts_with(&[0x88]), "{answer:?}");
    xan.say("@yve", "still there?").await;
    yve.next_event("message").await;
}

#[tokio::test]
async fn pings_count_as_frames() {
    let daemon = Daemon::start("[limits]\nframe_rate = 1\nframe_burst = 10\nrefused_frames = 5\n");
    for opcode in [9, 10] {
        let account = daemon.http().register(&format!("user{opcode}"));
        let mut socket = raw::session(&daemon, &account).await;
        socket.write_all(&raw::empty(opcode, true).repeat(100)).await.expect("written");
        let mut answer = Vec::new();
        let read = timeout(wait::DEADLINE, socket.read_to_end(&mut answer)).await;
        let _ = read.expect("it is closed");
    }
    wait::until("both are closed", async || {
        let closed = "confab_websocket_closed_total{reason=\"policy\"}";
        (daemon.metric(closed) == 2.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_user_who_reconnects_in_a_loop_is_told_to_wait_and_others_are_not() {
    let daemon = Daemon::start("[limits]\nconnect_rate = 1\nconnect_burst = 3\n");
    let (ann, bob) = (daemon.http().register("ann"), daemon.http().register("bob"));
    for _ in 0..3 {
        Client::connect(daemon.address(), &ann).await.close().await;
    }
    let path = format!("/ws/{}", ann.id);
    for _ in 0..5 {
        let request = ureq::get(daemon.url(&path))
            .header("Authorization", format!("Bearer {}", ann.token))
            .header("Upgrade", "websocket")
            .header("Connection", "Upgrade")
            .header("Sec-WebSocket-Version", "13")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .config()
            .http_status_as_error(false)
            .build();
        let mut answer = request.call().expect("an answer");
        assert_eq!(answer.status().as_u16(), 429);
        let wait: u32 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
        assert!(answer.body_mut().read_to_string().unwrap().contains("rate_limited"));
    }
    let asked = daemon.metric("confab_events_total{kind=\"connect\",outcome=\"accepted\"}");
    Client::connect(daemon.address(), &bob).await;
    let then = daemon.metric("confab_events_total{kind=\"connect\",outcome=\"accepted\"}");
    assert_eq!((asked, then), (3.0, 4.0), "the chain was not asked about what was refused");
}

#[tokio::test]
async fn messages_go_before_password_hashes() {
    let daemon = Daemon::start(
        "[limits]\nrequest_timeout = \"5m\"\n\
         [auth]\nargon2_memory = \"64MiB\"\nargon2_iterations = 5\n",
    );
    let accounts = ["xan", "yve"].map(|name| daemon.http().register(name));
    let mut xan = Client::connect(daemon.address(), &accounts[0]).await;
    let mut yve = Client::connect(daemon.address(), &accounts[1]).await;
    let logins: Vec<_> = (0..4)
        .map(|_| {
            let http = daemon.http();
            let body = json!({"username":"xan","password":PASSWORD});
            std::thread::spawn(move || http.post_json("/login", &body).0)
        })
        .collect();
    let nice = wait::until("a password is being hashed", async || hashing(daemon.id())).await;
    assert!(nice >= 10, "the thread that hashes is nice: {nice}");
    let mut meanwhile = 0;
    while logins.iter().any(|login| !login.is_finished()) {
        xan.say("@yve", "hello").await;
        xan.next_event("message").await;
        yve.next_event("message").await;
        meanwhile += 1;
    }
    println!("{meanwhile} messages came and went during 4 logins");
    assert!(meanwhile > 0);
    for login in logins {
        assert_eq!(login.join().expect("joined"), 200);
    }
}

/// The nice value of a thread that hashes, if there is one now.
fn hashing(process: u32) -> Option<i32> {
    for task in std::fs::read_dir(format!("/proc/{process}/task")).ok()?.flatten() {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The name, which may hold spaces, is in brackets; proc(5).
        let Some((name, rest)) = stat.rsplit_once(") ") else { continue };
        if name.ends_with("password-hash") {
            let nice: Option<i32> = rest.split(' ').nth(16).and_then(|n| n.parse().ok());
            // It is set at once, but not at the very first.
            if nice != Some(0) {
                return nice;
            }
        }
    }
    None
}

#[tokio::test]
async fn of_a_flood_of_typing_the_newest_arrives() {
    let daemon = Daemon::start("[limits]\nframe_rate = 0\n");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let (sent, started) = (5000, Instant::now());
    for n in 1..=sent {
        ann.feed(json!({"event":"typing","to":"@bob","on":n % 2 == 1})).await;
    }
    ann.say("@bob", "there").await;
    ann.next_event("message").await;
    let (mut came, mut last) = (0, json!(null));
    loop {
        let frame = bob.next().await;
        if frame["event"] == "message" {
            break;
        }
        (came, last) = (came + 1, frame["on"].clone());
    }
    assert_eq!(last, false, "what was true when the message was sent");
    let replaced = daemon.metric("confab_ephemeral_replaced_total");
    assert_eq!(f64::from(came) + replaced, f64::from(sent));
    // One by itself each tenth of a second, and the last with the message.
    let most = 2 + started.elapsed().as_millis() / 100;
    assert!(came <= most as i32, "{came} of {sent} came, rather than {most}");
    println!("{came} of {sent} typing frames came");
    ann.send(json!({"event":"typing","to":"@bob"})).await;
    assert_eq!(bob.next_event("typing").await["on"], true, "and by itself as well");
}

#[tokio::test]
async fn who_is_shut_out_is_not_listened_to_any_more() {
    let daemon = Daemon::start("[limits]\nframe_rate = 1\nframe_burst = 10\nrefused_frames = 5\n");
    let ann = daemon.http().register("ann");
    let mut socket = raw::open(daemon.address(), &ann, true).await.unwrap().expect("a session");
    let frames = raw::text(&"x".repeat(100)).repeat(1000);
    let mut sent = 0;
    let flood = async {
        while socket.write_all(&frames).await.is_ok() {
            sent += frames.len();
        }
    };
    timeout(wait::DEADLINE, flood).await.expect("it is cut off");
    assert_eq!(daemon.metric("confab_websocket_closed_total{reason=\"policy\"}"), 1.0);
    println!("{sent} bytes were taken");
    // Most of them by the system's buffers: the daemon takes 3 MiB within the time it waits.
    assert!(sent < 32 * 1024 * 1024, "{sent} bytes are taken of somebody who is shut out");
}

#[tokio::test]
async fn typing_from_many_does_not_push_out_messages() {
    let daemon = Daemon::start("[limits]\nframe_rate = 0\noutbox_frames = 64\n");
    let victim = daemon.http().register("victim");
    let socket = raw::session(&daemon, &victim).await;
    let mut others = Vec::new();
    for n in 0..20 {
        others.push(daemon.client(&format!("user{n}")).await);
    }
    // The victim does not read now: the system's buffers fill, and then the outbox.
    let large = "x".repeat(15 * 1024);
    wait::until("something waits", async || {
        others[0].say("@victim", &large).await;
        others[0].next_event("message").await;
        let waits = (0..20).all(|_| daemon.metric("confab_outbox_bytes") > 0.0);
        waits.then_some(())
    })
    .await;
    wait::until("typing frames are left out", async || {
        for other in &mut others {
            for _ in 0..10 {
                other.feed(json!({"event":"typing","to":"@victim"})).await;
            }
            other.flush().await;
        }
        (daemon.metric("confab_ephemeral_dropped_total") > 100.0).then_some(())
    })
    .await;
    for _ in 0..40 {
        others[0].say("@victim", "this matters").await;
        others[0].next_event("message").await;
    }
    for other in &mut others {
        for _ in 0..10 {
            other.feed(json!({"event":"typing","to":"@victim"})).await;
        }
        other.flush().await;
    }
    let read = async {
        let (mut socket, mut found, mut bytes) = (socket, 0, Vec::new());
        while found < 40 {
            let mut chunk = [0; 64 * 1024];
            let count = socket.read(&mut chunk).await.expect("it is still open");
            assert!(count > 0, "it is still open");
            bytes.extend_from_slice(&chunk[..count]);
            found = bytes.windows(12).filter(|part| part == b"this matters").count();
            if bytes.len() > 1 << 20 && found == 0 {
                bytes.drain(..bytes.len() - 16);
            }
        }
    };
    timeout(Duration::from_secs(30), read).await.expect("all 40 messages come");
}
