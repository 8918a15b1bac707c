//! HTTP: any bytes on a connection, and any body of the calls that take one.

use serde_json::Value;

use super::server::SERVER;

/// The first byte says what the rest is: a body of a call, the target and headers of one, or all
/// the bytes of the connection. What is answered has a status below 500, and each refusal has its
/// code.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    let rest = &rest[..rest.len().min(4096)];
    let body = |call: &str, content_type: &str| {
        let length = rest.len();
        let head = format!(
            "{call} HTTP/1.1\r\nhost: x\r\ncontent-type: {content_type}\r\n\
             content-length: {length}\r\nconnection: close\r\n\r\n"
        );
        [head.as_bytes(), rest].concat()
    };
    let token = &SERVER.token;
    let sent = match kind % 6 {
        0 => body("POST /register", "application/json"),
        1 => body("POST /login", "application/json"),
        2 => body("POST /login", "application/x-www-form-urlencoded"),
        3 => {
            let head = format!("HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\r\n");
            [b"GET /", rest, b" ", head.as_bytes()].concat()
        }
        4 => [b"GET /users/me HTTP/1.1\r\nhost: x\r\n", rest, b"\r\n\r\n"].concat(),
        _ => rest.to_vec(),
    };
    // Not at once: 100 Continue, or the switch to another protocol.
    let answer = SERVER.answer(&sent);
    assert!(answer.len() <= 256 * 1024 * (1 + sent.len() / 16), "{}", answer.len());
    if answer.is_empty() {
        return;
    }
    let answer = String::from_utf8_lossy(&answer);
    let status = answer.strip_prefix("HTTP/1.").and_then(|rest| rest.get(2..5));
    let status: u16 = status.and_then(|status| status.parse().ok()).expect("a status line");
    assert!(status < 500 || status == 505, "{answer}");
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { panic!("no head: {answer}") };
    // What is no HTTP at all, the protocol's library answers without a body.
    if status >= 400 && !body.is_empty() && kind % 6 < 3 {
        let told: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{answer}"));
        assert!(told["code"].is_string() && told["message"].is_string(), "{answer}");
        assert!(!head.contains("application/json") || body.len() <= 8 * sent.len() + 512);
    }
    assert!(!answer.contains("panicked") && !answer.contains("src/"), "{answer}");
}
