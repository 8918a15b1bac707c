//! A WebSocket session: any bytes, or any frames, to a daemon's socket.

use std::io::{Read, Write};

use serde_json::Value;

use super::server::{FRAME, SERVER, finish};

/// The first byte says what the rest is: the bytes of the stream, or text frames, one a line,
/// ended by a close frame. The session ends by itself, what it answers is well-formed and
/// bounded, and it never fails.
pub fn run(data: &[u8]) {
    let Some((kind, rest)) = data.split_first() else { return };
    // What is sent must fit into the sockets' buffers: nothing is read meanwhile.
    let rest = &rest[..rest.len().min(4096)];
    let sent = match kind % 2 {
        0 => rest.to_vec(),
        _ => {
            let lines = rest.split(|byte| *byte == b'\n');
            let mut sent: Vec<u8> = lines.flat_map(|line| frame(0x81, line)).collect();
            sent.extend(frame(0x88, &[3, 232]));
            sent
        }
    };
    let mut stream = SERVER.connect();
    let (user, token) = (&SERVER.user, &SERVER.token);
    let request = format!(
        "GET /ws/{user} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n\
         connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).expect("the handshake is sent");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("the handshake is answered");
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&head));
    check(&finish(&mut stream, &sent), sent.len());
}

/// One masked frame of at most 64 KiB.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).expect("short").to_be_bytes());
        }
    }
    frame.extend(KEY);
    frame.extend(payload.iter().zip(KEY.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

/// Goes through the daemon's frames.
fn check(mut answer: &[u8], sent: usize) {
    // Each frame that the client may have sent has 6 bytes at least, and its answer at most a
    // page of `sync`, the refusal of a whole frame, or itself as an event.
    assert!(answer.len() <= (sent / 6 + 1) * 16 * FRAME, "{} for {sent}", answer.len());
    let mut closed = false;
    while let [first, length, rest @ ..] = answer {
        assert!(!closed, "a frame after the close frame");
        let (length, rest) = match (length, rest) {
            (126, [a, b, rest @ ..]) => (usize::from(u16::from_be_bytes([*a, *b])), rest),
            (0..126, rest) => (usize::from(*length), rest),
            _ => panic!("a masked or huge frame: {length}"),
        };
        // The daemon may have given up while it wrote.
        let Some((payload, rest)) = rest.split_at_checked(length) else { return };
        match first {
            0x81 => {
                let frame: Value = serde_json::from_slice(payload).expect("frames are JSON");
                let events = ["message", "typing", "seen", "sync", "error"];
                assert!(events.contains(&frame["event"].as_str().unwrap_or_default()), "{frame}");
                let failed = frame["code"] == "internal" || frame["code"] == "plugin_failed";
                assert!(!failed, "{frame}");
            }
            0x88 => {
                closed = true;
                let code = match payload {
                    [a, b, reason @ ..] => {
                        assert!(std::str::from_utf8(reason).is_ok());
                        u16::from_be_bytes([*a, *b])
                    }
                    _ => 1005,
                };
                // Its own, or the client's sent back; 1011 is the daemon's failure.
                assert_ne!(code, 1011, "the session failed");
            }
            0x8a => assert!(payload.len() <= 125),
            first => panic!("a frame of an unknown kind: {first:#x}"),
        }
        answer = rest;
    }
}
