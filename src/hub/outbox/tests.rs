//! The order and the bounds of what waits.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::atomic::{AtomicUsize, Ordering},
    task::{Wake, Waker},
};

use confab_plugin::{User, UserId, testkit};
use futures_util::task::noop_waker_ref;
use tokio_tungstenite::tungstenite::Utf8Bytes;

use super::*;
use crate::{
    code::{Code, Refusal},
    hub::{Session, Ticket},
    store::{Conversation, Timestamp},
    trace::Trace,
    wire::Place,
};

fn session(frames: usize, bytes: u64) -> Arc<Session> {
    let limits = limits(frames, bytes);
    session_of(&limits, &Arc::new(Backlog::new(&limits)))
}

fn session_of(limits: &config::Limits, backlog: &Arc<Backlog>) -> Arc<Session> {
    let user = Arc::new(User { id: testkit::ann(), name: "ann".parse().unwrap() });
    Arc::new(Session::new(user, 0, IpAddr::V4(Ipv4Addr::LOCALHOST), limits, backlog))
}

fn limits(frames: usize, bytes: u64) -> config::Limits {
    config::Limits {
        outbox_frames: frames,
        outbox: confab_plugin::ByteSize(bytes),
        in_flight: 2,
        ..config::Limits::default()
    }
}

fn frame(text: &str, ephemeral: bool) -> Frame {
    let typing = ephemeral.then(testkit::bob);
    Frame { text: Utf8Bytes::from(text.to_owned()), typing, place: None, trace: Trace::NONE }
}

fn typing(sender: u128, text: &str) -> Frame {
    Frame { typing: Some(UserId::from_u128(sender)), ..frame(text, true) }
}

fn take(session: &Session) -> Option<(Vec<String>, Option<CloseReason>)> {
    match session.outbox().poll_take(&mut Context::from_waker(noop_waker_ref())) {
        Poll::Ready(out) => {
            Some((out.frames.iter().map(|f| f.text.to_string()).collect(), out.closing))
        }
        Poll::Pending => None,
    }
}

#[test]
fn ephemeral_frames_go_first_and_then_the_session() {
    let session = session(8, 1000);
    assert!(take(&session).is_none());
    session.outbox().push(frame("t1", true));
    session.outbox().push(frame("m1", false));
    session.outbox().push(frame("t2", true));
    for n in 2..9 {
        session.outbox().push(frame(&format!("m{n}"), false));
        assert_eq!(session.outbox().closing(), None, "m{n}");
    }
    session.outbox().push(frame("m9", false));
    assert_eq!(take(&session), Some((vec![], Some(CloseReason::SlowClient))));
}

#[test]
fn a_flood_of_ephemeral_frames_fills_a_part_only() {
    for session in [session(40, 100_000), session(4000, 400)] {
        for sender in 0..1000 {
            session.outbox().push(typing(sender, "ten bytes."));
        }
        for n in 0..10 {
            session.outbox().push(frame(&format!("message {n}"), false));
        }
        let (frames, closing) = take(&session).unwrap();
        assert_eq!((frames.len(), closing), (20, None));
        assert_eq!(frames[19], "message 9");
    }
}

#[test]
fn a_newer_typing_takes_the_place_of_the_same_senders_older() {
    let limits = limits(8, 1000);
    let backlog = Arc::new(Backlog::new(&limits));
    let session = session_of(&limits, &backlog);
    session.outbox().push(typing(1, "one on"));
    let once = backlog.bytes();
    for _ in 0..1000 {
        session.outbox().push(typing(1, "one on"));
    }
    assert_eq!(backlog.bytes(), once, "a flood of one sender is one frame");
    session.outbox().push(typing(2, "two on"));
    session.outbox().push(frame("m1", false));
    session.outbox().push(typing(1, "one off"));
    session.outbox().push(frame("m2", false));
    let (frames, _) = take(&session).unwrap();
    assert_eq!(frames, ["two on", "m1", "one off", "m2"], "true when it was sent");
    assert!(take(&session).is_none());
    assert_eq!(backlog.bytes(), 0);
}

#[test]
fn a_place_that_is_held_already_is_kept_when_the_part_is_full() {
    let session = session(8, 1000);
    for sender in 1..4 {
        session.outbox().push(typing(sender, &format!("{sender} on")));
    }
    session.outbox().push(typing(1, "1 off"));
    let (mut frames, _) = take(&session).unwrap();
    frames.sort();
    assert_eq!(frames, ["1 off", "2 on"], "two are a quarter");
}

#[test]
fn typing_by_itself_is_sent_now_and_then() {
    struct Wakes(AtomicUsize);
    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let wakes = Arc::new(Wakes(AtomicUsize::new(0)));
    let waker = Waker::from(Arc::clone(&wakes));
    let session = session(100, 10_000);
    let outbox = session.outbox();
    let poll = || match outbox.poll_take(&mut Context::from_waker(&waker)) {
        Poll::Ready(out) => out.frames.iter().map(|f| f.text.to_string()).collect(),
        Poll::Pending => Vec::new(),
    };
    let hour = Duration::from_secs(3600);
    assert!(poll().is_empty() && outbox.typing_due().is_none());
    outbox.push(typing(1, "first"));
    assert_eq!(poll(), ["first"], "at once");
    assert!(poll().is_empty());
    // As if it had been sent just now, however slow this machine is.
    outbox.lock().typing.due = Some(Instant::now() + hour);
    for _ in 0..1000 {
        outbox.push(typing(1, "second"));
        assert!(poll().is_empty());
    }
    assert_eq!(wakes.0.load(Ordering::Relaxed), 2, "the task waits for its time, not for each");
    outbox.push(frame("message", false));
    assert_eq!(poll(), ["second", "message"], "in company it goes at once");
    outbox.push(typing(1, "third"));
    assert!(outbox.typing_due().is_some());
    outbox.lock().typing.due = Some(Instant::now());
    assert_eq!(poll(), ["third"]);
    assert_eq!(outbox.typing_due(), None);
}

#[test]
fn bytes_are_bounded_too() {
    let session = session(100, 10);
    session.outbox().push(frame("a page larger than the bound", false));
    assert_eq!(take(&session).unwrap().0.len(), 1);
    // It is written by now.
    assert!(take(&session).is_none());
    session.outbox().push(frame("12345", false));
    session.outbox().push(frame("12345", false));
    assert_eq!(session.outbox().closing(), None);
    session.outbox().push(frame("1", false));
    assert_eq!(session.outbox().closing(), Some(CloseReason::SlowClient));
}

#[test]
fn answers_keep_the_order_of_the_messages() {
    let session = session(10, 1000);
    let one = Ticket::take(&session, None);
    let two = Ticket::take(&session, Some("id2".into()));
    assert!(!session.outbox().has_room());
    two.refuse(&Refusal::new(Code::Overloaded, "later"));
    assert!(take(&session).is_none());
    one.echo(frame("one", false));
    let (frames, _) = take(&session).unwrap();
    assert_eq!(frames[0], "one");
    assert!(frames[1].contains("overloaded") && frames[1].contains("id2"));
    assert!(session.outbox().has_room());

    let three = Ticket::take(&session, None);
    drop(Ticket::take(&session, None));
    three.stay_silent();
    let (frames, _) = take(&session).unwrap();
    assert_eq!(frames.len(), 1);
    assert!(frames[0].contains("internal"));
}

#[test]
fn what_is_delivered_after_an_answer_leaves_after_it() {
    let session = session(40, 1000);
    let one = Ticket::take(&session, None);
    let two = Ticket::take(&session, None);
    session.outbox().push(frame("before", false));
    two.echo(frame("two", false));
    session.outbox().push(frame("after two", false));
    session.outbox().push(frame("typing", true));
    assert_eq!(take(&session).unwrap().0, ["before", "typing"]);
    one.echo(frame("one", false));
    session.outbox().push(frame("last", false));
    assert_eq!(take(&session).unwrap().0, ["one", "two", "after two", "last"]);
}

/// A message between ann and bob, or ann and cat.
fn message(text: &str, peer: UserId, seq: u64) -> Frame {
    let conversation = Conversation::between(testkit::ann(), peer);
    let place = Place { conversation, seq, from: peer, at: Timestamp(0) };
    Frame { place: Some(place), ..frame(text, false) }
}

#[test]
fn what_is_delivered_waits_for_no_echo_with_a_higher_seq() {
    let (bob, cat) = (UserId::from_u128(2), UserId::from_u128(3));
    let session = session(100, 1000);
    let [to_bob, refused] = [(); 2].map(|()| Ticket::take(&session, None));
    let to_cat = Ticket::take(&session, None);
    refused.echo(frame("error", false));
    to_cat.echo(message("cat 1", cat, 1));
    session.outbox().push(message("bob 1", bob, 1));
    session.outbox().push(message("cat 2", cat, 2));
    let (frames, _) = take(&session).unwrap();
    assert_eq!(frames, ["bob 1"], "a refusal or another conversation holds it up");
    to_bob.echo(message("bob 2", bob, 2));
    let (frames, _) = take(&session).unwrap();
    assert_eq!(frames, ["bob 2", "error", "cat 1", "cat 2"]);
}

#[test]
fn what_waits_behind_an_answer_is_bounded() {
    let session = session(2, 1000);
    let one = Ticket::take(&session, None);
    Ticket::take(&session, None).echo(frame("two", false));
    session.outbox().push(frame("a", false));
    session.outbox().push(frame("b", false));
    assert_eq!(session.outbox().closing(), None);
    session.outbox().push(frame("c", false));
    assert_eq!(take(&session), Some((vec![], Some(CloseReason::SlowClient))));
    one.echo(frame("one", false));
    assert_eq!(take(&session), Some((vec![], Some(CloseReason::SlowClient))));
}

#[test]
fn the_first_reason_stays() {
    let session = session(10, 1000);
    session.outbox().close(CloseReason::TokenExpired);
    session.outbox().close(CloseReason::GoingAway);
    assert_eq!(take(&session).unwrap().1, Some(CloseReason::TokenExpired));
    assert_eq!(UserId::from_u128(1), session.user().id);
}

#[test]
fn what_is_being_written_counts_until_it_is_written() {
    let session = session(10, 1000);
    session.outbox().push(frame(&"x".repeat(600), false));
    assert_eq!(take(&session).unwrap().0.len(), 1);
    session.outbox().push(frame("one always may", false));
    session.outbox().push(frame(&"y".repeat(600), false));
    assert_eq!(session.outbox().closing(), Some(CloseReason::SlowClient));
}

#[test]
fn all_outboxes_together_are_bounded_and_the_slow_go_first() {
    let limits =
        config::Limits { outboxes: confab_plugin::ByteSize(100_000), ..limits(10_000, 1_000_000) };
    let backlog = Arc::new(Backlog::new(&limits));
    let of = || session_of(&limits, &backlog);
    let push = |session: &Session| session.outbox().push(frame(&"x".repeat(1000), false));
    let slow = |session: &Session| {
        session.outbox().lock().since = Instant::now().checked_sub(SLOW);
    };
    let (modest, reader, hoarders) = (of(), of(), [of(), of(), of(), of()]);
    for _ in 0..10 {
        push(&modest);
    }
    let (mut most, mut given_up) = (0, 0);
    while given_up == 0 {
        for hoarder in &hoarders {
            push(hoarder);
            slow(hoarder);
        }
        // A burst for somebody who reads is larger than any of them.
        for _ in 0..20 {
            push(&reader);
        }
        assert_eq!(take(&reader).unwrap().0.len(), 20);
        assert!(take(&reader).is_none());
        most = most.max(backlog.bytes());
        given_up = hoarders.iter().filter(|h| h.outbox().closing().is_some()).count();
    }
    assert!((40_000..100_000).contains(&most), "{most}");
    let gone = hoarders.iter().find(|hoarder| hoarder.outbox().closing().is_some()).unwrap();
    let hoarded = gone.outbox().lock().counted;
    assert_eq!(hoarded, 0, "what it hoarded is free again");
    push(&modest);
    assert_eq!((modest.outbox().closing(), reader.outbox().closing()), (None, None));
    drop((hoarders, modest, reader));
    assert_eq!(backlog.bytes(), 0);
}

#[test]
fn every_byte_that_is_counted_is_given_back() {
    let limits = limits(8, 1000);
    let backlog = Arc::new(Backlog::new(&limits));
    let session = session_of(&limits, &backlog);
    let one = Ticket::take(&session, None);
    let two = Ticket::take(&session, None);
    two.echo(frame("two", false));
    session.outbox().push(frame("after two", false));
    assert!(backlog.bytes() > "two".len() + "after two".len());
    one.echo(frame("one", false));
    assert_eq!(take(&session).unwrap().0.len(), 3);
    assert!(take(&session).is_none());
    assert_eq!(backlog.bytes(), 0);

    let three = Ticket::take(&session, None);
    Ticket::take(&session, None).echo(frame("four", false));
    session.outbox().close(CloseReason::SlowClient);
    three.echo(frame("three", false));
    assert!(take(&session).unwrap().0.is_empty());
    assert_eq!(session.outbox().lock().known_bytes, 0);
}
