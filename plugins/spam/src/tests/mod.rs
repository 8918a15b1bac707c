//! The judge from the outside, as the daemon runs it.

mod memory;
mod options;
mod property;
mod running;
mod signals;

use std::{sync::Arc, time::Duration};

use confab_plugin::{
    Decision, Event, Message, UserId, Verdict,
    testkit::{Kit, ann},
};
use serde_json::{Value, json};

use crate::{Spam, score::Signal};

/// These options, with every signal off that they give no weight.
fn only(mut options: Value) -> Value {
    let given = options.as_object_mut().unwrap();
    for signal in Signal::ALL {
        given.entry(format!("{}_weight", signal.as_str())).or_insert(json!(0));
    }
    given.entry("deny_score").or_insert(json!(1));
    options
}

fn kit(options: Value) -> Kit<Spam> {
    let mut kit = Kit::new(options).unwrap();
    kit.context_mut().listen();
    kit
}

fn user(n: u128) -> UserId {
    UserId::from_u128(1000 + n)
}

/// A message of ann's to user `to`, with a client's id if it is not empty.
fn message(to: u128, content: &str, id: &str) -> Event {
    let id = (!id.is_empty()).then(|| id.into());
    Event::Message(Message::new(ann(), user(to), content, id))
}

/// Whether the message passes, without an outcome.
fn passes(kit: &Kit<Spam>, event: &Event) -> bool {
    now(kit.before(event.clone())).unwrap().verdict == Verdict::Pass
}

/// Sends a message all the way: it passes and is stored as number `seq`, or is refused.
fn send(kit: &Kit<Spam>, event: &Event, seq: u64) -> bool {
    let passed = passes(kit, event);
    kit.after(
        event,
        match passed {
            true => Decision::Accepted { seq: Some(seq), duplicate: false },
            false => Decision::Denied { by: Arc::from("spam"), code: "spam".into() },
        },
    );
    passed
}

/// What the hook noted since the last call.
fn notes(kit: &mut Kit<Spam>) -> String {
    kit.context_mut().take_notes().join("\n")
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Runs a hook that never waits.
fn now<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the judge waited"),
    }
}
