//! Promise 8: a slow or hostile client harms itself alone.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::time::{Duration, Instant};

use serde_json::json;
use support::{Client, Daemon, client::End, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

/// Two who chat on, whatever else happens.
async fn bystanders(daemon: &Daemon) -> (Client, Client) {
    (daemon.client("xan").await, daemon.client("yve").await)
}

async fn still_chat((xan, yve): &mut (Client, Client)) {
    xan.say("@yve", "still there?").await;
    xan.next_event("message").await;
    yve.next_event("message").await;
}

#[tokio::test]
async fn a_client_that_does_not_read_is_closed_and_misses_nothing() {
    let daemon = Daemon::start(
        "[limits]\noutbox = \"64KiB\"\noutbox_frames = 64\nwrite_timeout = \"2s\"\nframe_rate = 0\n",
    );
    let mut others = bystanders(&daemon).await;
    let mut ann = daemon.client("ann").await;
    // Never read from until the end; the kernel's buffers fill first.
    let mut bob = daemon.client("bob").await;
    let content = "x".repeat(8000);
    let mut sent = 0;
    wait::until("the slow session is closed", async || {
        for _ in 0..50 {
            ann.say("@bob", &content).await;
            ann.next().await;
            sent += 1;
        }
        let closed = "confab_websocket_closed_total{reason=\"slow_client\"}";
        (daemon.metric(closed) == 1.0).then_some(())
    })
    .await;
    still_chat(&mut others).await;
    let mut have = 0;
    while let Ok(frame) = bob.try_next().await {
        have += 1;
        assert_eq!(frame["seq"], have, "what came, came in order");
    }
    assert!(have < sent);
    let mut bob = Client::connect(daemon.address(), &bob.account).await;
    loop {
        bob.send(json!({"event":"sync","have":{"@ann":have}})).await;
        let sync = bob.next_event("sync").await;
        for message in sync["messages"].as_array().expect("a list") {
            have += 1;
            assert_eq!(message["seq"], have);
        }
        if sync["complete"] == true {
            break;
        }
    }
    assert_eq!(have, sent, "sync closes the hole");
}

#[tokio::test]
async fn frames_over_the_rate_are_refused_with_words_and_then_the_session() {
    let daemon = Daemon::start("[limits]\nframe_rate = 1\nframe_burst = 5\nrefused_frames = 10\n");
    let mut others = bystanders(&daemon).await;
    let mut ann = daemon.client("ann").await;
    for n in 0..20 {
        ann.feed(json!({"event":"message","to":"@xan","content":"x","id":format!("{n}")})).await;
    }
    ann.flush().await;
    let (mut stored, mut refused) = (0, 0);
    let end = loop {
        match ann.try_next().await {
            Ok(frame) if frame["event"] == "message" => stored += 1,
            Ok(frame) => {
                assert_eq!(frame["code"], "rate_limited");
                assert!(frame["retry_after"].as_u64() >= Some(1), "{frame}");
                assert!(frame["id"].is_string(), "the refused frame's own id");
                refused += 1;
            }
            Err(end) => break end,
        }
    };
    assert_eq!((stored, refused), (5, 10));
    assert!(matches!(end, End::Closed(1008, _)), "{end:?}");
    others.0.next_event("message").await;
    others.1.say("@xan", "fine").await;
}

#[tokio::test]
async fn typing_by_itself_keeps_its_interval() {
    let daemon = Daemon::start("[limits]\ntyping_interval = \"1s\"\n");
    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    let typing = |on: bool| json!({"event":"typing","to":"@bob","on":on});
    let began = Instant::now();
    for on in [true, false] {
        ann.send(typing(on)).await;
        assert_eq!(bob.next_event("typing").await["on"], on);
    }
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_frame_over_the_limit_closes_with_1009() {
    let daemon = Daemon::start("[limits]\nframe = \"8KiB\"\ncontent = \"4KiB\"\n");
    let mut others = bystanders(&daemon).await;
    let mut ann = daemon.client("ann").await;
    ann.say("@xan", &"é".repeat(2049)).await;
    assert_eq!(ann.next().await["code"], "content_too_long");
    ann.say("@xan", &"é".repeat(2048)).await;
    assert_eq!(ann.next().await["seq"], 1);
    ann.say("@xan", &"x".repeat(9000)).await;
    assert!(matches!(ann.end().await, End::Closed(1009, _)));
    still_chat(&mut others).await;
}

#[tokio::test]
async fn a_user_has_so_many_sessions_and_no_more() {
    let daemon = Daemon::start("[limits]\nsessions_per_user = 2\n");
    let ann = daemon.http().register("ann");
    let one = Client::connect(daemon.address(), &ann).await;
    let _two = Client::connect(daemon.address(), &ann).await;
    let path = format!("/ws/{}?token={}", ann.id, ann.token);
    let (status, body) = Client::try_connect(daemon.address(), &path, &[]).await.unwrap_err();
    assert_eq!((status, &body["code"]), (429, &json!("too_many_sessions")));
    one.close().await;
    wait::until("there is room again", async || {
        Client::try_connect(daemon.address(), &path, &[]).await.ok()
    })
    .await;
}

#[tokio::test]
async fn an_idle_session_is_pinged_and_a_dead_one_closed() {
    let daemon = Daemon::start("[limits]\nping_interval = \"1s\"\nidle_timeout = \"3s\"\n");
    let ann = daemon.http().register("ann");
    // Answers pings, as every client does while it reads.
    let mut living = daemon.client("xan").await;
    let living = tokio::spawn(async move {
        let quiet = tokio::time::timeout(Duration::from_secs(5), living.next()).await;
        assert!(quiet.is_err(), "it stays open, and silent");
        living
    });
    // Speaks the handshake and then nothing more: no pongs.
    let mut dead = TcpStream::connect(daemon.address()).await.expect("connected");
    dead.write_all(ann.upgrade().as_bytes()).await.expect("written");
    let started = Instant::now();
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(wait::DEADLINE, dead.read_to_end(&mut bytes));
    read.await.expect("it is closed").expect("read");
    assert!(started.elapsed() >= Duration::from_secs(3));
    let pings = bytes.windows(2).filter(|w| w == &[0x89, 0x00]).count();
    assert!(pings >= 2, "{pings} pings");
    assert!(living.await.expect("joined").is_quiet().await);
}

#[tokio::test]
async fn a_half_sent_request_is_given_up_and_others_get_their_turn() {
    let daemon =
        Daemon::start("[limits]\nconnections = 8\nrequest_timeout = \"1s\"\nkeep_alive = \"1s\"\n");
    let mut sockets = Vec::new();
    for n in 0..8 {
        let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
        let half = if n % 2 == 0 {
            "GET / HT"
        } else {
            "POST /login HTTP/1.1\r\nContent-Length: 9\r\n\r\n{"
        };
        socket.write_all(half.as_bytes()).await.expect("written");
        sockets.push(socket);
    }
    // One header now and then must not keep a connection.
    let dripping = tokio::spawn(async move {
        let started = Instant::now();
        let mut socket = sockets.remove(0);
        socket.write_all(b"TP/1.1\r\n").await.expect("written");
        while socket.write_all(b"X-Drip: 1\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        drop(sockets);
        started.elapsed()
    });
    // All connections are taken, so this waits until one is given up.
    assert_eq!(daemon.http().get("/users/me", None).0, 401);
    let took = dripping.await.expect("joined");
    assert!(took < Duration::from_secs(5), "{took:?}");
    // A connection without a request is given up as well.
    let mut idle = TcpStream::connect(daemon.address()).await.expect("connected");
    let mut nothing = Vec::new();
    let read = tokio::time::timeout(wait::DEADLINE, idle.read_to_end(&mut nothing)).await;
    let _ = read.expect("it is closed");
}

#[tokio::test]
async fn logins_have_a_rate_for_each_address() {
    let daemon = Daemon::start("[limits]\nauth_rate = 1\nauth_burst = 3\n");
    for name in ["ann", "bob", "cid"] {
        daemon.http().register(name);
    }
    let body = json!({"username":"ann","password":support::client::PASSWORD}).to_string();
    let (status, headers, answer) = daemon.http().post("/login", "application/json", body);
    assert_eq!((status, &answer["code"]), (429, &json!("rate_limited")));
    let seconds: u32 = headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

#[tokio::test]
async fn pings_cannot_fill_the_memory() {
    let daemon = Daemon::start("[limits]\nframe_rate = 0\nwrite_timeout = \"2s\"\n");
    let mut others = bystanders(&daemon).await;
    let mut ann = daemon.client("ann").await;
    let before = daemon.metric("process_resident_memory_bytes");
    // Sends pings and never reads the pongs.
    let flood = async {
        for _ in 0..400_000 {
            let sent = tokio::time::timeout(
                Duration::from_secs(2),
                ann.send_raw(Message::Ping(vec![b'x'; 125].into())),
            );
            if sent.await.is_err() {
                break;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(5), flood).await.ok();
    still_chat(&mut others).await;
    let grown = daemon.metric("process_resident_memory_bytes") - before;
    assert!(grown < 16.0 * 1024.0 * 1024.0, "{grown} bytes for one client");
}

/// What the server says until it closes, or until it is quiet.
async fn says(daemon: &Daemon, request: &[u8]) -> Vec<u8> {
    let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
    let mut answer = Vec::new();
    // A server that gives up early closes while this is being written.
    let _ = socket.write_all(request).await;
    let read = tokio::time::timeout(wait::DEADLINE, socket.read_to_end(&mut answer)).await;
    let _ = read.expect("it is closed");
    answer
}

#[tokio::test]
async fn http2_is_refused() {
    let daemon = Daemon::start("");
    let mut settings = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    settings.extend([0, 0, 0, 4, 0, 0, 0, 0, 0]);
    assert_eq!(says(&daemon, &settings).await, b"");
    let other = b"PRI * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert!(says(&daemon, other).await.starts_with(b"HTTP/1.1 404 "));
}

#[tokio::test]
async fn a_head_without_end_is_not_kept() {
    // Long enough that only the bound on bytes can be what closes it.
    let daemon = Daemon::start("[limits]\nrequest_timeout = \"5m\"\n");
    let mut head = b"GET / HTTP/1.1\r\nHost: x\r\nX: ".to_vec();
    head.resize(100_000, b'x');
    assert_eq!(says(&daemon, &head).await, b"");
}

#[tokio::test]
async fn an_upgrade_behind_another_request_stays_open() {
    let daemon = Daemon::start("[limits]\nrequest_timeout = \"3s\"\nkeep_alive = \"3s\"\n");
    let ann = daemon.http().register("ann");
    let both = format!("GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n{}", ann.upgrade());
    let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
    socket.write_all(both.as_bytes()).await.expect("written");
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(6), socket.read_to_end(&mut answer));
    assert!(read.await.is_err(), "it stays open");
    assert!(String::from_utf8_lossy(&answer).contains("HTTP/1.1 101 "));
}

#[tokio::test]
async fn a_page_that_nobody_takes_costs_little() {
    let daemon = Daemon::start("");
    let before = daemon.metric("process_resident_memory_bytes");
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(4096).expect("small");
        let mut socket =
            socket.connect(daemon.address().parse().unwrap()).await.expect("connected");
        socket.write_all(b"GET /docs HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("written");
        let mut first = [0; 1];
        socket.read_exact(&mut first).await.expect("the answer begins");
        sockets.push(socket);
    }
    let grown = daemon.metric("process_resident_memory_bytes") - before;
    assert!(grown < 50.0 * 800.0 * 1024.0, "{grown} bytes for 50 clients");
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let daemon = Daemon::start("[limits]\nconnections_per_address = 3\n");
    let ann = daemon.http().register("ann");
    // The client above has let go of its connection, or will.
    let mut sessions = Vec::new();
    wait::until("three sessions are open", async || {
        if let Ok(mut socket) = TcpStream::connect(daemon.address()).await {
            let _ = socket.write_all(ann.upgrade().as_bytes()).await;
            if socket.read_u8().await.is_ok() {
                sessions.push(socket);
            }
        }
        (sessions.len() == 3).then_some(())
    })
    .await;
    let mut fourth = TcpStream::connect(daemon.address()).await.expect("the kernel takes it");
    assert!(fourth.read_u8().await.is_err(), "and the daemon closes it");
    assert!(daemon.metric("confab_connections_refused_total") >= 1.0);
    drop(sessions);
    wait::until("there is room again", async || {
        let mut socket = TcpStream::connect(daemon.address()).await.ok()?;
        socket.write_all(b"GET /users/me HTTP/1.1\r\nHost: x\r\n\r\n").await.ok()?;
        socket.read_u8().await.ok()
    })
    .await;
}

#[tokio::test]
async fn what_the_system_holds_of_a_connection_is_bounded() {
    let daemon = Daemon::start("[limits]\nreceive_buffer = \"32KiB\"\nsend_buffer = \"16KiB\"\n");
    let _ann = daemon.client("ann").await;
    let port = daemon.address().rsplit_once(':').expect("a port").1;
    // socket(7): Linux doubles what it is asked for. rb and tb are the two bounds: ss(8).
    let sockets = std::process::Command::new("ss")
        .args(["-tnmH", "state", "established", &format!("sport = :{port}")])
        .output()
        .expect("ss is of iproute2, as ip is");
    let sockets = String::from_utf8(sockets.stdout).expect("text");
    let bounds = sockets.matches("skmem:").count();
    assert!(bounds > 0, "{sockets}");
    assert_eq!(sockets.matches(",rb65536,").count(), bounds, "{sockets}");
    assert_eq!(sockets.matches(",tb32768,").count(), bounds, "{sockets}");
}
