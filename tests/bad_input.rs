//! Whatever strangers send: a clear coded error or close, and nobody else notices.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use serde_json::{Value, json};
use support::{Client, Daemon, client::End, wait};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::tungstenite::Message;

#[tokio::test]
async fn bad_frames_get_a_code_and_the_session_goes_on() {
    let daemon = Daemon::start("");
    let mut bob = daemon.client("bob").await;
    let mut ann = daemon.client("ann").await;
    let message = |content: &str| json!({"event":"message","to":"@bob","content":content});
    let with_id = |id: &str| json!({"event":"message","to":"@bob","content":"x","id":id});
    let to = |to: Value| json!({"event":"message","to":to,"content":"x"});
    let cases: Vec<(String, &str)> = vec![
        ("{".into(), "malformed"),
        (String::new(), "malformed"),
        ("[\"message\",\"@bob\",\"x\",null,null,null,null]".into(), "malformed"),
        (format!("{}1{}", "[".repeat(5000), "]".repeat(5000)), "malformed"),
        (format!("{{\"event\":{}", "{\"a\":".repeat(5000)), "malformed"),
        (json!({"event":"message","to":"@bob"}).to_string(), "malformed"),
        (json!({"event":"message","to":"@bob","content":"x","more":1}).to_string(), "malformed"),
        (json!({"event":"message","to":"@bob","content":7}).to_string(), "malformed"),
        (to(json!({"$ne":null})).to_string(), "malformed"),
        (json!({"event":"typing","to":"@bob","on":"yes"}).to_string(), "malformed"),
        (json!({"event":"seen","to":"@bob","upto":-1}).to_string(), "malformed"),
        (json!({"event":"seen","to":"@bob","upto":1e30}).to_string(), "malformed"),
        (json!({"event":"sync","have":{"@bob":"1"}}).to_string(), "malformed"),
        (json!({"event":"sync","have":{"@nobody":1}}).to_string(), "unknown_user"),
        (json!({"event":"shutdown"}).to_string(), "unknown_event"),
        (json!({"event":"Message","to":"@bob","content":"x"}).to_string(), "unknown_event"),
        (message("").to_string(), "invalid_content"),
        (message(" \n\t ").to_string(), "invalid_content"),
        (message("nul \0 byte").to_string(), "invalid_content"),
        (message("\u{1b}[2J").to_string(), "invalid_content"),
        (message("\u{9b}2J").to_string(), "invalid_content"),
        (message(&"x".repeat(16 * 1024 + 1)).to_string(), "content_too_long"),
        (with_id("").to_string(), "invalid_id"),
        (with_id("a\nb").to_string(), "invalid_id"),
        (with_id(&"x".repeat(65)).to_string(), "invalid_id"),
        (to(json!("")).to_string(), "unknown_user"),
        (to(json!("bob")).to_string(), "unknown_user"),
        (to(json!("@")).to_string(), "unknown_user"),
        (to(json!("@nobody")).to_string(), "unknown_user"),
        (to(json!("@b\u{43e}b")).to_string(), "unknown_user"),
        (to(json!("00000000000000000000000000")).to_string(), "unknown_user"),
        (to(json!(bob.id().to_uppercase())).to_string(), "unknown_user"),
        (to(json!("x".repeat(10_000))).to_string(), "unknown_user"),
        (json!({"event":"typing","to":"@nobody"}).to_string(), "unknown_user"),
        (json!({"event":"seen","to":"@nobody"}).to_string(), "unknown_user"),
    ];
    for (text, code) in cases {
        ann.send_raw(Message::text(text.clone())).await;
        let error = ann.next().await;
        let start: String = text.chars().take(80).collect();
        assert_eq!((&error["event"], &error["code"]), (&json!("error"), &json!(code)), "{start}");
        assert!(error["message"].as_str().is_some_and(|m| !m.is_empty()), "{error}");
    }
    ann.send_raw(Message::binary(vec![0, 1, 2])).await;
    assert_eq!(ann.next().await["code"], "binary_frame");
    assert!(bob.is_quiet().await, "nobody else noticed");
    // A mark beyond the end, or where nothing was ever said, is no error: there is nothing to mark.
    ann.send(json!({"event":"seen","to":"@bob","upto":u64::MAX})).await;
    ann.say("@bob", "still here").await;
    assert_eq!(ann.next().await["seq"], 1);
    assert_eq!(bob.next().await["content"], "still here");
    ann.send(json!({"event":"sync","have":{"@bob":u64::MAX}})).await;
    assert_eq!(ann.next().await["messages"], json!([]));
}

#[tokio::test]
async fn text_survives_whole() {
    let daemon = Daemon::start("");
    let mut ann = daemon.client("ann").await;
    for text in [
        "\u{202e}right to left\u{202c}",
        "👩‍👩‍👧‍👦 e\u{301} \u{feff} \u{200b}",
        "\"quotes\" \\ and \u{2028} lines\r\n\ttab",
        "<script>alert(1)</script> ${x} {{y}} '; DROP TABLE messages; --",
        "\u{10ffff}\u{fffd}",
    ] {
        ann.say("@ann", text).await;
        assert_eq!(ann.next().await["content"], text);
    }
}

#[tokio::test]
async fn broken_websockets_are_closed_with_a_reason() {
    let daemon = Daemon::start("");
    let mut bob = daemon.client("bob").await;
    let upgrade = async |name: &str| {
        let ann = daemon.http().register(name);
        let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
        let request = format!(
            "GET /ws/{}?token={} HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\n\
             Upgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            ann.id, ann.token
        );
        socket.write_all(request.as_bytes()).await.expect("written");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.expect("a head"));
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
        socket
    };
    // Each is one frame, masked with zeros where it should be.
    let cases: [(&str, &[u8], u16); 5] = [
        ("utf8", &[0x81, 0x82, 0, 0, 0, 0, 0xff, 0xfe], 1007),
        ("unmasked", &[0x81, 0x02, b'h', b'i'], 1002),
        ("reserved", &[0xf1, 0x82, 0, 0, 0, 0, b'h', b'i'], 1002),
        ("opcode", &[0x83, 0x82, 0, 0, 0, 0, b'h', b'i'], 1002),
        ("huge", &[0x81, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
    ];
    for (name, bytes, code) in cases {
        let mut socket = upgrade(name).await;
        socket.write_all(bytes).await.expect("written");
        let mut answer = Vec::new();
        let read = tokio::time::timeout(wait::DEADLINE, socket.read_to_end(&mut answer)).await;
        read.expect("it is closed").expect("read");
        assert_eq!(answer.first(), Some(&0x88), "{name}: a close frame");
        assert_eq!(u16::from_be_bytes([answer[2], answer[3]]), code, "{name}");
    }
    // Cut in the middle of a frame, and in the middle of a message.
    for (name, bytes) in
        [("half", &[0x81, 0xfe, 0x10][..]), ("part", &[0x01, 0x81, 0, 0, 0, 0, b'x'])]
    {
        let mut socket = upgrade(name).await;
        socket.write_all(bytes).await.expect("written");
    }
    wait::until("only bob is left", async || {
        (daemon.metric("confab_websocket_connections") == 1.0).then_some(())
    })
    .await;
    assert!(bob.is_quiet().await);
}

#[tokio::test]
async fn a_stream_of_nonsense_ends_the_session() {
    let daemon = Daemon::start("[limits]\nrefused_frames = 20\n");
    let mut ann = daemon.client("ann").await;
    for _ in 0..20 {
        ann.feed(json!("nonsense")).await;
    }
    ann.flush().await;
    let end = ann.end().await;
    assert!(matches!(end, End::Closed(1008, _)), "{end:?}");
}

#[tokio::test]
async fn bad_requests_get_a_status_and_a_code() {
    let daemon = Daemon::start("[limits]\nauth_rate = 0\n");
    let http = daemon.http();
    let ann = http.register("ann");
    let register = |value: Value| ("/register", "application/json", value.to_string());
    let long = "x".repeat(1025);
    let good = "a long password";
    let json_type = "application/json";
    let cases: Vec<((&str, &str, String), u16, &str)> = vec![
        (("/register", json_type, "{".into()), 400, "malformed"),
        (("/register", json_type, String::new()), 400, "malformed"),
        (("/register", json_type, format!("[\"x1\",\"{good}\",null]")), 400, "malformed"),
        (register(json!({"username":"x1"})), 400, "malformed"),
        (register(json!({"username":"x1","password":7})), 400, "malformed"),
        (register(json!({"username":{"$ne":null},"password":good})), 400, "malformed"),
        (register(json!({"username":"x1","password":{"$ne":null}})), 400, "malformed"),
        (register(json!({"username":"x1","password":good,"admin":true})), 400, "malformed"),
        (register(json!({"username":"x","password":good})), 422, "invalid_username"),
        (register(json!({"username":"x_\n","password":good})), 422, "invalid_username"),
        (register(json!({"username":"\u{430}nn","password":good})), 422, "invalid_username"),
        (register(json!({"username":"x1","password":"short"})), 422, "invalid_password"),
        (register(json!({"username":"x1","password":long})), 422, "invalid_password"),
        (
            register(json!({"username":"x1","password":good,"display_name":"a\u{1b}b"})),
            422,
            "invalid_display_name",
        ),
        (register(json!({"username":"ANN","password":good})), 409, "username_taken"),
        (("/register", json_type, "x".repeat(17 * 1024)), 413, "body_too_large"),
        (("/register", "text/plain", "{}".into()), 415, "unsupported_media_type"),
        (("/login", json_type, "null".into()), 400, "malformed"),
        (("/login", json_type, json!({"username":"ann"}).to_string()), 400, "malformed"),
        (
            ("/login", json_type, json!({"username":"ann","password":{"$ne":null}}).to_string()),
            400,
            "malformed",
        ),
        (
            ("/login", json_type, json!({"username":"ann","password":"wrong"}).to_string()),
            401,
            "bad_credentials",
        ),
        (
            ("/login", json_type, json!({"username":"nobody","password":"wrong"}).to_string()),
            401,
            "bad_credentials",
        ),
        (
            ("/login", json_type, json!({"username":"a b","password":"wrong"}).to_string()),
            401,
            "bad_credentials",
        ),
        (("/login", "application/x-www-form-urlencoded", "username=ann".into()), 400, "malformed"),
        (
            ("/login", "multipart/form-data; boundary=x", "--x--".into()),
            415,
            "unsupported_media_type",
        ),
        (("/nowhere", json_type, "{}".into()), 404, "not_found"),
        (("/users/me", json_type, "{}".into()), 405, "method_not_allowed"),
        (("/ws/x", json_type, "{}".into()), 405, "method_not_allowed"),
    ];
    for ((path, content_type, body), status, code) in cases {
        let start: String = body.chars().take(60).collect();
        let (got, _, answer) = http.post(path, content_type, body);
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{path} {start}: {answer}");
        assert!(answer["message"].is_string(), "{answer}");
    }
    let token = Some(ann.token.as_str());
    let gets = [
        ("/nowhere", token, 404, "not_found"),
        ("/login", token, 405, "method_not_allowed"),
        ("/users/me", None, 401, "bad_token"),
        ("/users/me", Some("x"), 401, "bad_token"),
        ("/users/@nobody", token, 404, "unknown_user"),
        ("/users/nobody", token, 404, "unknown_user"),
        ("/users/%ff", token, 400, "malformed"),
        ("/conversations?limit=0", token, 422, "invalid_parameter"),
        ("/conversations?limit=x", token, 422, "invalid_parameter"),
        ("/conversations?cursor=x", token, 422, "invalid_parameter"),
        ("/conversations/@nobody/messages", token, 404, "unknown_user"),
        ("/conversations/@ann/messages?before=-1", token, 422, "invalid_parameter"),
        (
            "/conversations/@ann/messages?after=99999999999999999999",
            token,
            422,
            "invalid_parameter",
        ),
        ("/ws/@ann", token, 400, "bad_upgrade"),
        ("/metrics", token, 404, "not_found"),
        ("/healthz", token, 404, "not_found"),
    ];
    for (path, token, status, code) in gets {
        let (got, body) = http.get(path, token);
        let answer: Value = serde_json::from_str(&body).unwrap_or(Value::String(body));
        assert_eq!((got, &answer["code"]), (status, &json!(code)), "{path}: {answer}");
    }
    let most = u64::MAX;
    let page = http.get_json(&format!("/conversations/@ann/messages?before={most}"), &ann.token);
    assert_eq!(page["messages"], json!([]));
}

#[tokio::test]
async fn raw_nonsense_on_the_port_is_answered_or_cut() {
    let daemon = Daemon::start("");
    let mut bob = daemon.client("bob").await;
    let head = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Big: {}\r\n\r\n", "y".repeat(600_000));
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", "X-A: b\r\n".repeat(5000));
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"\0\0\0\0\0\0\0\0\r\n\r\n".to_vec(),
        b"GET /\xff HTTP/1.1\r\n\r\n".to_vec(),
        b"POST /login HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            .to_vec(),
        b"POST /login HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n".to_vec(),
        head.into_bytes(),
        many.into_bytes(),
    ] {
        let mut socket = TcpStream::connect(daemon.address()).await.expect("connected");
        // The daemon may hang up before it has read all of it.
        let _ = socket.write_all(&bytes).await;
        let _ = socket.shutdown().await;
        let mut answer = Vec::new();
        let read = tokio::time::timeout(wait::DEADLINE, socket.read_to_end(&mut answer)).await;
        let _ = read.expect("it ends");
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    assert!(bob.is_quiet().await);
    let _ = Client::connect(daemon.address(), &bob.account).await;
}

/// The status of an answer without a body of its own, and its header `Allow`.
async fn asked(address: &str, method: &str, path: &str) -> (u16, Option<String>) {
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("written");
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.expect("an answer");
    let head = answer.split("\r\n\r\n").next().unwrap();
    let allow = head.lines().find_map(|line| line.strip_prefix("allow: "));
    (head[9..12].parse().expect("a status"), allow.map(str::to_owned))
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let daemon = Daemon::start("");
    let (public, admin) = (daemon.address(), daemon.admin_address());
    let api: Value = serde_json::from_str(&daemon.http().get("/openapi.json", None).1).unwrap();
    let mut paths: Vec<(&str, String, Vec<&str>)> = Vec::new();
    for (path, calls) in api["paths"].as_object().expect("paths") {
        let methods = calls.as_object().expect("calls").keys();
        let methods = methods.flat_map(|name| match name.as_str() {
            "get" => ["GET", "HEAD"].iter(),
            "post" => ["POST"].iter(),
            other => panic!("{path} takes {other}"),
        });
        paths.push((public, path.replace(['{', '}'], ""), methods.copied().collect()));
    }
    assert!(paths.len() >= 9, "{paths:?}");
    for path in ["/", "/app.js", "/docs", "/openapi.json", "/ws/x"] {
        paths.push((public, path.to_owned(), vec!["GET", "HEAD"]));
    }
    paths.push((admin, "/metrics".to_owned(), vec!["GET", "HEAD"]));
    paths.push((admin, "/reload".to_owned(), vec!["POST"]));
    for (address, path, methods) in paths {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"] {
            let (status, allow) = asked(address, method, &path).await;
            let wrong = !methods.contains(&method);
            assert_eq!(status == 405, wrong, "{method} {path}: {status}");
            assert_eq!(allow, wrong.then(|| methods.join(", ")), "{method} {path}");
        }
    }
}
