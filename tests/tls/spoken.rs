//! What is spoken, with whom, and for how long a handshake is waited for.

use std::time::{Duration, Instant};

use rustls::version::{TLS12, TLS13};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{support, world::World};
use support::{Client, Http, certificates::connect, wait};

const REQUEST: &[u8] = b"GET /users/me HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_goes_on_within_tls() {
    let world = World::start("");
    let address = world.authority.tunnel(world.daemon.address()).await;
    let register = |name: &'static str| {
        let address = address.clone();
        tokio::task::spawn_blocking(move || Http::new(&address).register(name))
    };
    let (ann, bob) = (register("ann").await.unwrap(), register("bob").await.unwrap());
    let mut ann = Client::connect(&address, &ann).await;
    let mut bob = Client::connect(&address, &bob).await;
    for n in 1..=200 {
        // Up to three records of TLS.
        ann.say("@bob", &"x".repeat(1 + n * 80)).await;
        assert_eq!(ann.next_event("message").await["seq"], n);
        let heard = bob.next_event("message").await;
        assert_eq!(heard["content"].as_str().map(str::len), Some(1 + n * 80));
    }
    ann.close().await;
    bob.close().await;
    let none_failed = "\nconfab_tls_handshakes_total{result=\"failure\"} 0\n";
    assert!(world.daemon.metrics().contains(none_failed), "told though there was none");
}

#[tokio::test]
async fn both_versions_and_http_1_1_alone() {
    let world = World::start("");
    let (authority, address) = (&world.authority, world.daemon.address());
    for (version, offered) in [(&TLS12, "http/1.1"), (&TLS13, "http/1.1"), (&TLS13, "h2")] {
        let connector = authority.client(&[version], &[offered]);
        let connected = connect(&connector, address).await;
        if offered == "h2" {
            let refused = connected.unwrap_err().to_string();
            assert!(refused.contains("NoApplicationProtocol"), "{refused}");
            continue;
        }
        let mut stream = connected.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
        stream.write_all(REQUEST).await.unwrap();
        let mut answer = String::new();
        // To the end, which is told by a close_notify: nobody has cut it short.
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    }
    // Who offers nothing speaks HTTP/1.1.
    let mut stream = connect(&authority.client(&[&TLS13], &[]), address).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    // The admin listener is as it was.
    assert_eq!(world.daemon.admin().get("/healthz", None).0, 200);
}

#[tokio::test]
async fn a_client_that_comes_back_needs_no_certificate() {
    let world = World::start("");
    for version in [&TLS12, &TLS13] {
        let connector = world.authority.client(&[version], &["http/1.1"]);
        for kind in [rustls::HandshakeKind::Full, rustls::HandshakeKind::Resumed] {
            let mut stream = connect(&connector, world.daemon.address()).await.unwrap();
            stream.write_all(REQUEST).await.unwrap();
            stream.read_to_end(&mut Vec::new()).await.unwrap();
            assert_eq!(stream.get_ref().1.handshake_kind(), Some(kind), "{version:?}");
        }
    }
}

#[tokio::test]
async fn who_does_not_finish_the_handshake_is_given_up() {
    let world =
        World::start("[limits]\nrequest_timeout = \"1s\"\nconnections = 64\ntls_handshakes = 1\n");
    let hello = [0x16, 3, 1, 0x40, 0, 1, 0, 0x3f, 0xfc, 3, 3];
    let mut sockets = Vec::new();
    let started = Instant::now();
    for n in 0..60 {
        let mut socket = TcpStream::connect(world.daemon.address()).await.unwrap();
        // Nothing at all, the start of a handshake, or something else.
        match n % 3 {
            0 => {}
            1 => socket.write_all(&hello).await.unwrap(),
            _ => socket.write_all(REQUEST).await.unwrap(),
        }
        sockets.push(socket);
    }
    // Meanwhile others are served.
    let mut stream = world.authority.connect(world.daemon.address()).await.unwrap();
    stream.write_all(REQUEST).await.unwrap();
    let mut head = [0; 12];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 401");
    for mut socket in sockets {
        let read = tokio::time::timeout(wait::DEADLINE, socket.read_to_end(&mut Vec::new())).await;
        let _ = read.expect("it is closed");
    }
    assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
    wait::until("all of them are counted", async || {
        let failed = "confab_tls_handshakes_total{result=\"failure\"}";
        (world.daemon.metric(failed) >= 20.0).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_generator_measures_it() {
    let world = World::start("[limits]\nframe_rate = 0\nauth_rate = 0\n");
    let port = world.daemon.address().rsplit_once(':').unwrap().1;
    let bench = |more: &[&str]| {
        let mut command = support::daemon::confab();
        command.args([
            "bench",
            &format!("https://localhost:{port}"),
            "--pairs",
            "2",
            "--users",
            "4",
        ]);
        command.args(["--duration", "500ms", "--warmup", "100ms", "--connect-sessions", "20"]);
        command.args(["--json"]).args(more).output().expect("it runs")
    };
    let output = bench(&["--ca", world.authority.file().to_str().unwrap()]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(summary["connect"]["opened"], 20, "{summary}");
    let output = bench(&[]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("UnknownIssuer") && said.contains("--ca"), "{said}");
    let output = bench(&["--ca", "/dev/null"]);
    assert_eq!(output.status.code(), Some(2));
}
