//! The load against servers that behave in a known way.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{collections::HashMap, sync::Mutex, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    net::{TcpSocket, TcpStream},
    sync::mpsc::{UnboundedSender, unbounded_channel},
};
use tokio_tungstenite::{
    accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
    },
};

use super::*;
use crate::bench::{frame::Incoming, http::Account, socket::TokenIn, target::Target};

/// How a server behaves.
#[derive(Clone, Copy, Default)]
struct Manner {
    /// At this message it stops for a while, as a stopped process does.
    stall: Option<(u64, Duration)>,
    /// It answers without ids, and with the text.
    without_ids: bool,
    /// It refuses every third message with this code.
    refuses: Option<&'static str>,
    /// It ends a session at this message of all.
    ends_at: Option<u64>,
}

/// A relay in a thread of its own, until the process ends.
struct Relay {
    manner: Manner,
    users: Mutex<HashMap<String, UnboundedSender<Message>>>,
    received: Mutex<u64>,
}

impl Relay {
    fn start(manner: Manner) -> Target {
        let (address_sender, address) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let socket = TcpSocket::new_v4().unwrap();
                // Little, so that a client feels it when nothing is read.
                socket.set_recv_buffer_size(16 << 10).unwrap();
                socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
                let listener = socket.listen(64).unwrap();
                address_sender.send(listener.local_addr().unwrap()).unwrap();
                let relay =
                    Arc::new(Self { manner, users: Mutex::default(), received: Mutex::default() });
                while let Ok((stream, _)) = listener.accept().await {
                    stream.set_nodelay(true).unwrap();
                    tokio::spawn(Arc::clone(&relay).serve(stream));
                }
            });
        });
        address.recv().unwrap().to_string().parse().unwrap()
    }

    async fn serve(self: Arc<Self>, stream: TcpStream) {
        let mut user = String::new();
        #[allow(clippy::result_large_err)]
        let read_path = |request: &Request, response: Response| {
            user = request.uri().path().trim_start_matches("/ws/").to_owned();
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, read_path).await else { return };
        let (sender, mut outbox) = unbounded_channel();
        self.users.lock().unwrap().insert(user.clone(), sender);
        loop {
            tokio::select! {
                Some(message) = outbox.recv() => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                frame = socket.next() => match frame {
                    Some(Ok(Message::Text(text))) => {
                        let Some(answer) = self.take(&user, &text) else { return };
                        if socket.send(answer).await.is_err() {
                            return;
                        }
                    }
                    _ => return,
                }
            }
        }
    }

    /// The answer to a message, which is also relayed; none ends the session.
    fn take(&self, user: &str, text: &str) -> Option<Message> {
        let number = {
            let mut received = self.received.lock().unwrap();
            *received += 1;
            *received
        };
        if let Some((_, time)) = self.manner.stall.filter(|(at, _)| *at == number) {
            thread::sleep(time);
        }
        if self.manner.ends_at == Some(number) {
            return None;
        }
        let frame = Incoming::read(text).unwrap();
        let To { to } = serde_json::from_str(text).unwrap();
        let (id, content) = (frame.id.unwrap().0, frame.content.unwrap().0);
        if let Some(code) = self.manner.refuses.filter(|_| number.is_multiple_of(3)) {
            let text = format!(r#"{{"event":"error","code":"{code}","message":"no","id":"{id}"}}"#);
            return Some(Message::text(text));
        }
        let which = if self.manner.without_ids {
            format!(r#""content":"{content}""#)
        } else {
            format!(r#""id":"{id}""#)
        };
        let text = format!(r#"{{"event":"message","from":"{user}","to":"{to}",{which}}}"#);
        let message = Message::text(text);
        // The recipient's session may have ended.
        let _ = self.users.lock().unwrap()[to].send(message.clone());
        Some(message)
    }
}

/// All of a message but its recipient is ignored.
#[derive(serde::Deserialize)]
struct To<'a> {
    to: &'a str,
}

const LOAD: Load = Load {
    pairs: 1,
    drive: Drive::Rate(1000.0),
    size: 64,
    warmup: Duration::ZERO,
    duration: Duration::from_secs(1),
    threads: 1,
    concurrency: 2,
};

async fn measure(manner: Manner, load: Load) -> Phase {
    let account = |n| Account { user_id: format!("user{n}"), access_token: "x".to_owned() };
    let crowd = Crowd {
        targets: vec![Relay::start(manner)],
        accounts: (0..2 * load.pairs).map(account).collect(),
        token_in: TokenIn::Query,
    };
    let stop = CancellationToken::new();
    run(&Arc::new(crowd), load, &stop, &mut Progress::silent()).await.unwrap()
}

#[tokio::test]
async fn a_stall_shows_in_all_messages_that_were_due_meanwhile() {
    let stall = Duration::from_millis(300);
    let phase = measure(Manner { stall: Some((400, stall)), ..Manner::default() }, LOAD).await;
    assert_eq!((phase.sent, phase.acknowledged, phase.unanswered), (1000, 1000, 0), "{phase:?}");
    assert_eq!((phase.echo.count, phase.delivery.count), (1000, 1000));
    // 300 messages were due in the 300 ms. A client that waits for answers would have two with
    // such a latency.
    for latency in [phase.echo, phase.delivery] {
        assert!(latency.max_us >= 295_000.0, "{latency:?}");
        // The 100 that waited longest waited 200 ms and more.
        assert!(latency.p90_us >= 190_000.0, "{latency:?}");
        assert!(latency.p99_us >= 280_000.0, "{latency:?}");
    }
}

#[tokio::test]
async fn latency_counts_from_the_schedule_when_the_socket_takes_no_more() {
    let stall = Duration::from_secs(1);
    let load = Load { size: 128 << 10, drive: Drive::Rate(200.0), ..LOAD };
    let phase = measure(Manner { stall: Some((20, stall)), ..Manner::default() }, load).await;
    assert_eq!((phase.acknowledged, phase.unanswered), (200, 0), "{phase:?}");
    // 180 were due in that second, 23 MiB of which the sockets take a part. 100 of them waited for
    // half of it and more, most of these before they could be written.
    assert!(phase.generator.held_back > 60, "{phase:?}");
    // They belong to the time at which they were due, though they were written after it.
    assert_eq!((phase.echo.count, phase.delivery.count), (200, 200), "{phase:?}");
    assert!(phase.echo.p50_us >= 450_000.0, "{:?}", phase.echo);
    assert!(phase.delivery.p50_us >= 450_000.0, "{:?}", phase.delivery);
}

#[tokio::test]
async fn a_server_without_ids_is_measured_by_the_order_of_its_echoes() {
    let manner = Manner { without_ids: true, ..Manner::default() };
    let duration = Duration::from_millis(200);
    let load = Load { drive: Drive::Window(4), pairs: 3, threads: 2, duration, ..LOAD };
    let phase = measure(manner, load).await;
    assert!(phase.sent > 0, "{phase:?}");
    assert_eq!(
        (phase.acknowledged, phase.delivered, phase.unanswered),
        (phase.sent, phase.sent, 0)
    );
    assert!(phase.echo.count > 0 && phase.delivery.count > 0);
    assert_eq!((phase.generator.threads, phase.sessions), (2, 6));
}

#[tokio::test]
async fn what_is_refused_is_counted_and_not_measured() {
    let manner = Manner { refuses: Some("no_links"), ..Manner::default() };
    let load = Load { drive: Drive::Rate(300.0), ..LOAD };
    let phase = measure(manner, load).await;
    assert_eq!((phase.sent, phase.acknowledged, phase.delivered), (300, 200, 200), "{phase:?}");
    assert_eq!(phase.refused.get("no_links"), Some(&100));
    assert_eq!((phase.unanswered, phase.echo.count), (0, 200));
}

#[tokio::test]
async fn a_session_that_ends_is_told_and_what_it_awaited_counts() {
    let manner = Manner { ends_at: Some(100), ..Manner::default() };
    let phase = measure(manner, LOAD).await;
    assert_eq!(phase.sessions_ended.values().sum::<u64>(), 1, "{phase:?}");
    assert!(phase.unanswered >= 1, "{phase:?}");
    assert_eq!(phase.acknowledged + phase.unanswered, phase.sent);
    assert_eq!(phase.echo.count, phase.sent);
}
