//! Clients that do not read, or read too little.

use std::time::Duration;

use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use crate::{
    raw,
    support::{
        Client, Daemon,
        client::Account,
        endpoint::{Endpoint, Mood},
        wait,
    },
};

const MIB: f64 = 1024.0 * 1024.0;
const SLOW: &str = "confab_websocket_closed_total{reason=\"slow_client\"}";

#[tokio::test]
async fn all_outboxes_together_are_bounded_and_so_is_the_memory() {
    let daemon = Daemon::start(
        "[store]\ntimeout = \"60s\"\n[limits]\nframe_rate = 0\noutbox = \"1MiB\"\noutbox_frames = 100000\n\
         outboxes = \"1MiB\"\n",
    );
    let (mut xan, mut yve) = (daemon.client("xan").await, daemon.client("yve").await);
    let names: Vec<_> = (0..4).map(|n| format!("hoarder{n}")).collect();
    let mut hoarders = Vec::new();
    for name in &names {
        hoarders.push(raw::session(&daemon, &daemon.http().register(name)).await);
    }
    let mut ann = daemon.client("ann").await;
    let before = daemon.metric("process_resident_memory_bytes");
    let content = "x".repeat(16 * 1024);
    let (mut sent, mut most, mut grown) = (0, 0.0_f64, 0.0_f64);
    wait::until("the first are given up", async || {
        for name in &names {
            ann.feed(json!({"event":"message","to":format!("@{name}"),"content":content})).await;
        }
        ann.flush().await;
        for _ in 0..names.len() {
            let answer = ann.next().await;
            assert_eq!(answer["event"], "message", "{answer}");
            sent += 1;
        }
        xan.say("@yve", "still there?").await;
        xan.next_event("message").await;
        yve.next_event("message").await;
        most = most.max(daemon.metric("confab_outbox_bytes"));
        grown = grown.max(daemon.metric("process_resident_memory_bytes") - before);
        (daemon.metric(SLOW) >= 2.0).then_some(())
    })
    .await;
    println!(
        "4 who never read, {sent} messages of 16 KiB: at most {:.2} MiB in the outboxes, memory \
         grew by {:.1} MiB",
        most / MIB,
        grown / MIB
    );
    // Each may have one frame more than is free.
    assert!(most > 0.2 * MIB && most <= MIB + 4.0 * 17.0 * 1024.0, "{most}");
    // What the README's formula gives: the outboxes, and for each session what is being written
    // and read; the rest is the store's caches, and what the allocator keeps.
    let stated = MIB + 7.0 * 256.0 * 1024.0 + 48.0 * MIB;
    assert!(grown < stated, "{grown} bytes, of {stated}");
    drop(hoarders);
    wait::until("nothing waits any more", async || {
        (daemon.metric("confab_outbox_bytes") == 0.0).then_some(())
    })
    .await;
}

/// Sends to `to` more than the system's buffers take, until their session is closed so.
async fn fill_until(daemon: &Daemon, from: &mut Client, to: &str, closed: &str) {
    let content = "x".repeat(16 * 1024);
    wait::until("it is closed", async || {
        if daemon.metric("confab_outbox_bytes") < 4.0 * MIB {
            for _ in 0..32 {
                from.feed(json!({"event":"message","to":to,"content":content})).await;
            }
            from.flush().await;
            for _ in 0..32 {
                from.next_event("message").await;
            }
        }
        (daemon.metric(closed) == 1.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_message_goes_on_while_its_session_takes_nothing() {
    let service = Endpoint::start(Mood::HoldsOnWord).await;
    let daemon = Daemon::start(&format!(
        "{ROOM}send_buffer = \"4KiB\"\nbacklog_timeout = \"10m\"\n[[plugins]]\nuse = \"webhook\"\n\
         timeout = \"60s\"\noptions = {{ mode = \"moderate\", url = \"{}\" }}\n",
        service.url()
    ));
    let (ann, mut bob) = (daemon.http().register("ann"), daemon.client("bob").await);
    let mut stalled = raw::session(&daemon, &ann).await;
    let message = json!({"event":"message","to":"@bob","content":"hold it"}).to_string();
    stalled.write_all(&raw::text(&message)).await.expect("written");
    wait::until("it is held", async || (service.asked() == 1).then_some(())).await;
    // Far more than one write: one that is under way does not end.
    let content = "x".repeat(16 * 1024);
    wait::until("a write stalls", async || {
        bob.say("@ann", &content).await;
        assert_eq!(bob.next_event("message").await["to"], ann.id.as_str());
        (daemon.metric("confab_outbox_bytes") >= 2.0 * MIB).then_some(())
    })
    .await;

    service.release();
    let message = bob.next_event("message").await;
    assert_eq!((&message["from"], &message["content"]), (&json!(ann.id), &json!("hold it")));
    assert_eq!(daemon.metric(SLOW), 0.0, "its session is still there");
    drop(stalled);
}

/// Reads a little now and then, until the connection ends.
async fn drip(daemon: &Daemon, account: &Account) -> tokio::task::JoinHandle<()> {
    let mut socket = raw::session(daemon, account).await;
    tokio::spawn(async move {
        let mut bytes = [0; 512];
        while let Ok(1..) = socket.read(&mut bytes).await {
            // Not in order to wait for something: this client is slow.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
}

/// Neither the outbox nor a stalled write is what closes a session here.
const ROOM: &str = "[store]\ntimeout = \"60s\"\n[limits]\nframe_rate = 0\noutbox = \"64MiB\"\noutbox_frames = 100000\n\
                    write_timeout = \"10m\"\n";

#[tokio::test]
async fn a_client_that_reads_drop_by_drop_is_given_up() {
    let daemon = Daemon::start(&format!("{ROOM}backlog_timeout = \"2s\"\n"));
    let (mut ann, bob) = (daemon.client("ann").await, daemon.http().register("bob"));
    let dripping = drip(&daemon, &bob).await;
    fill_until(&daemon, &mut ann, "@bob", SLOW).await;
    dripping.abort();
}

#[tokio::test]
async fn a_client_that_reads_drop_by_drop_does_not_outlive_its_token() {
    let daemon = Daemon::start(&format!("{ROOM}backlog_timeout = \"10m\"\n"));
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.http().register("bob"));
    bob.token = short_lived(&daemon, &bob.token, 6);
    let dripping = drip(&daemon, &bob).await;
    let expired = "confab_websocket_closed_total{reason=\"token_expired\"}";
    fill_until(&daemon, &mut ann, "@bob", expired).await;
    dripping.abort();
}

/// The same token, good for so many seconds: signed with the daemon's own key.
fn short_lived(daemon: &Daemon, token: &str, seconds: u64) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
    let key = std::fs::read_to_string(daemon.folder().join("data/secret_key")).expect("the key");
    let claims = BASE64.decode(token.split('.').nth(1).expect("a part")).expect("base64");
    let mut claims: serde_json::Value = serde_json::from_slice(&claims).expect("JSON");
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("now");
    claims["exp"] = json!(now.as_secs() + seconds);
    let key = jsonwebtoken::EncodingKey::from_secret(key.trim().as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("signed")
}

#[tokio::test]
async fn answers_to_refused_frames_count_like_any_other() {
    let daemon = Daemon::start(
        "[limits]\nframe_rate = 0\noutbox = \"64KiB\"\nwrite_timeout = \"2s\"\n\
         refused_frames = 1000000\n",
    );
    let mut others = (daemon.client("xan").await, daemon.client("yve").await);
    let mut ann = daemon.client("ann").await;
    // Sends nonsense, and never reads what is said of it.
    let flood = async {
        for _ in 0..200_000 {
            if daemon_takes(&mut ann).await.is_err() {
                break;
            }
        }
    };
    timeout(Duration::from_secs(20), flood).await.expect("it is closed before it is through");
    wait::until("it is given up", async || (daemon.metric(SLOW) == 1.0).then_some(())).await;
    others.0.say("@yve", "still there?").await;
    others.1.next_event("message").await;
}

async fn daemon_takes(client: &mut Client) -> Result<(), ()> {
    let nonsense = json!({"event":"nonsense","id":"x".repeat(64)}).to_string();
    let sent = client.try_send_raw(tokio_tungstenite::tungstenite::Message::text(nonsense));
    match timeout(Duration::from_secs(2), sent).await {
        Ok(true) => Ok(()),
        _ => Err(()),
    }
}
