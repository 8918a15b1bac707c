//! The bot from the outside, as the daemon runs it.

use std::{collections::BTreeMap, time::Duration};

use confab_plugin::{
    Decision, Definition, Event, Message, Problem, UserId,
    testkit::{Kit, Sent, ann, bob, bot_id, decisions, events, manual_faults},
};
use metrics::with_local_recorder;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use serde_json::{Value, json};

use crate::{AutoReply, Reply};

fn options() -> Value {
    json!({
        "bot": "helper",
        "rules": [
            {"match": r"\bpass(word|phrase)\b", "reply": "Ask an administrator, {user}."},
            {"words": ["hello", "good morning"], "reply": "Hello {user}!"},
            {"match": "hello.*again", "reply": "never: the rule above is first"},
        ],
        "fallback": "What?",
    })
}

/// A bot that runs.
fn kit(options: Value) -> Kit<AutoReply> {
    let kit = Kit::new(options).unwrap();
    now(kit.start()).unwrap();
    kit
}

/// Runs a hook that never waits.
fn now<F: Future>(future: F) -> F::Output {
    use std::task::{Context, Poll, Waker};
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("the bot waited"),
    }
}

fn to_bot(from: UserId, content: &str) -> Event {
    Event::Message(Message::new(from, bot_id(), content, None))
}

fn stored(seq: u64) -> Decision {
    Decision::Accepted { seq: Some(seq), duplicate: false }
}

/// What the bot says to a message of ann's, long after the one before.
fn answer(kit: &mut Kit<AutoReply>, content: &str) -> Option<String> {
    kit.wait(Duration::from_secs(3600));
    kit.after(&to_bot(ann(), content), stored(1));
    kit.sent().pop().map(|sent| sent.content.to_string())
}

#[test]
fn the_first_rule_that_matches_answers() {
    let mut kit = kit(options());
    for (content, reply) in [
        ("I forgot my PASSWORD, hello?", "Ask an administrator, ann."),
        ("Good   morning", "Hello ann!"),
        ("hello again", "Hello ann!"),
        ("he\u{200b}llo", "Hello ann!"),
        ("passwords", "What?"),
        ("$1 {user}", "What?"),
    ] {
        assert_eq!(answer(&mut kit, content).as_deref(), Some(reply), "{content}");
    }
}

#[test]
fn without_a_fallback_it_may_be_silent() {
    let mut kit = kit(json!({"bot": "helper", "rules": [{"words": ["hi"], "reply": "yes"}]}));
    assert_eq!(answer(&mut kit, "ho"), None);
    assert_eq!(answer(&mut kit, "hi"), Some("yes".into()));
}

#[test]
fn only_a_message_to_it_that_was_newly_stored_is_answered() {
    let kit = kit(options());
    for event in events() {
        kit.after(&event, stored(1));
    }
    kit.after(&Event::Message(Message::new(bot_id(), bob(), "hello", None)), stored(1));
    let hello = to_bot(ann(), "hello");
    kit.after(&hello, Decision::Accepted { seq: Some(1), duplicate: true });
    for decision in decisions().into_iter().skip(1) {
        kit.after(&hello, decision);
    }
    assert_eq!(kit.sent(), []);
    kit.after(&hello, stored(7));
    let expected = Sent {
        bot: "helper".parse().unwrap(),
        to: ann(),
        content: "Hello ann!".into(),
        id: Some(format!("reply-{}-7", ann()).into()),
    };
    assert_eq!(kit.sent(), [expected]);
}

#[test]
fn an_answers_id_fits_and_is_its_messages_own() {
    let mut kit = kit(options());
    let mut ids = Vec::new();
    for (from, seq) in
        [(ann(), 1), (ann(), 2), (bob(), 1), (UserId::from_u128(u128::MAX), u64::MAX)]
    {
        kit.wait(Duration::from_secs(60));
        kit.after(&to_bot(from, "hello"), stored(seq));
        ids.push(kit.sent().pop().unwrap().id.unwrap());
    }
    assert!(ids.iter().all(|id| id.len() <= 64), "{ids:?}");
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn a_user_gets_one_reply_in_the_cooldown() {
    let mut kit = kit(options());
    for seq in 1..=10 {
        kit.after(&to_bot(ann(), "hello"), stored(seq));
        kit.after(&to_bot(bob(), "hello"), stored(seq));
    }
    let to: Vec<_> = kit.sent().into_iter().map(|sent| sent.to).collect();
    assert_eq!(to, [ann(), bob()]);
    kit.wait(Duration::from_millis(1999));
    kit.after(&to_bot(ann(), "hello"), stored(11));
    assert_eq!(kit.sent(), []);
    kit.wait(Duration::from_millis(1));
    kit.after(&to_bot(ann(), "hello"), stored(12));
    assert_eq!(kit.sent().len(), 1);
}

#[test]
fn what_matches_nothing_starts_no_cooldown() {
    let kit = kit(json!({"bot": "helper", "rules": [{"words": ["hi"], "reply": "yes"}]}));
    kit.after(&to_bot(ann(), "ho"), stored(1));
    kit.after(&to_bot(ann(), "hi"), stored(2));
    assert_eq!(kit.sent().len(), 1);
}

/// Rules cost the most when none matches, and then no reply starts a cooldown.
#[test]
fn a_flood_of_long_messages_that_match_nothing_is_not_searched() {
    let mut kit = kit(json!({"bot": "helper", "rules": [{"words": ["hi"], "reply": "yes"}]}));
    kit.after(&to_bot(ann(), &"ho ".repeat(1000)), stored(1));
    kit.after(&to_bot(bob(), "hi"), stored(1));
    assert_eq!(kit.sent().len(), 1, "others do not wait");
    kit.wait(Duration::from_millis(99));
    kit.after(&to_bot(ann(), "hi"), stored(2));
    assert_eq!(kit.sent(), []);
    kit.wait(Duration::from_millis(1));
    kit.after(&to_bot(ann(), "hi"), stored(3));
    assert_eq!(kit.sent().len(), 1);
}

#[test]
fn two_bots_of_plugins_do_not_answer_each_other() {
    let (one, mut other) = (kit(options()), kit(options()));
    one.after(&to_bot(ann(), "hello"), stored(1));
    let said = one.sent().pop().unwrap();
    // The daemon carries the answer through the chain as an event that `one` sent; say it went to
    // the bot of `other`, whose fallback answers everything.
    other.context_mut().sent_by = Some("one".into());
    other.after(&to_bot(bob(), &said.content), stored(1));
    assert_eq!(other.sent(), []);
    other.context_mut().sent_by = None;
    other.after(&to_bot(bob(), &said.content), stored(1));
    assert_eq!(other.sent().len(), 1);
}

#[test]
fn a_persons_program_that_answers_is_held_back() {
    let mut kit = kit(options());
    // It answers each reply 10 ms later, and keeps asking when it gets none.
    let mut replies = 0;
    for seq in 1..=1000 {
        kit.after(&to_bot(ann(), "hello"), stored(seq));
        replies += kit.sent().len();
        kit.wait(Duration::from_millis(10));
    }
    // 10 seconds, a cooldown of 2.
    assert_eq!(replies, 5);
}

#[test]
fn a_rehearsal_sends_nothing() {
    let kit = Kit::<AutoReply>::new(options()).unwrap();
    now(kit.rehearse()).unwrap();
    kit.after(&to_bot(ann(), "hello"), stored(1));
    assert_eq!(kit.sent(), []);
}

#[test]
fn what_becomes_of_messages_is_counted() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    with_local_recorder(&recorder, || {
        let rules = json!([{"words": ["hi"], "reply": "yes"}]);
        let mut kit = kit(json!({"bot": "helper", "rules": rules}));
        kit.after(&to_bot(ann(), "ho"), stored(1));
        for seq in 2..=4 {
            kit.after(&to_bot(ann(), "hi"), stored(seq));
        }
        kit.wait(Duration::from_secs(10));
        kit.fill_queue();
        kit.after(&to_bot(ann(), "hi"), stored(5));
        // Not the bot's, so not counted.
        kit.after(&Event::Message(Message::new(ann(), bob(), "hi", None)), stored(1));
    });
    let mut counts = BTreeMap::new();
    for (key, _, description, value) in snapshotter.snapshot().into_vec() {
        assert!(description.is_some());
        assert_eq!(key.key().name(), "confab_autoreply_replies_total");
        let labels: Vec<_> = key.key().labels().map(|l| (l.key(), l.value())).collect();
        let [("plugin", "autoreply"), ("result", result)] = labels[..] else {
            panic!("labels {labels:?}");
        };
        let DebugValue::Counter(count) = value else { panic!("{value:?}") };
        counts.insert(result.to_owned(), count);
    }
    let expected = [
        ("sent", 1),
        ("cooldown", 2),
        ("no_match", 1),
        ("queue_full", 1),
        ("not_ready", 0),
        ("refused", 0),
    ];
    let expected = expected.map(|(result, count)| (result.to_owned(), count));
    assert_eq!(counts, BTreeMap::from(expected));
}

fn problems(options: Value) -> Vec<String> {
    Kit::<AutoReply>::new(options)
        .err()
        .unwrap_or_default()
        .iter()
        .map(Problem::to_string)
        .collect()
}

#[test]
fn all_problems_are_told_at_their_places() {
    let long = "x".repeat(2001);
    let found = problems(json!({
        "bot": "The Helper",
        "display_name": "\n",
        "cooldown": "99ms",
        "max_users": 99,
        "fallback": "{name}",
        "rules": [
            {"words": ["fine"], "reply": "fine"},
            {"match": "(", "reply": " "},
            {"match": "x*", "reply": "fine"},
            {"match": "a{1000}{1000}", "reply": long},
            {"match": "a".repeat(1001), "reply": "fine"},
            {"reply": "fine"},
            {"match": "fine", "words": ["fine"], "reply": "fine"},
            {"words": [], "reply": "fine"},
            {"words": ["fine", "\u{200b}"], "reply": "fine"},
            {"words": ["x".repeat(65)], "reply": "fine"},
        ],
    }));
    for start in [
        "bot: a username is 2 to 32",
        "display_name: write 1 to 64",
        "cooldown: write a time from 100ms to 24h",
        "max_users: write a number from 100",
        "fallback: only {user} may stand in braces",
        "rules[1].match: not a regular expression: unclosed group",
        "rules[1].reply: says nothing",
        "rules[2].match: matches the empty text",
        "rules[3].match: too big",
        "rules[3].reply: longer than 2000",
        "rules[4].match: longer than 1000",
        "rules[5]: write either match or words",
        "rules[6]: write either match or words",
        "rules[7].words: write 1 to 100 words",
        "rules[8].words[1]: write 1 to 64",
        "rules[9].words[0]: write 1 to 64",
    ] {
        let told = found.iter().filter(|p| p.starts_with(start)).count();
        assert_eq!(told, 1, "{start} in {found:#?}");
    }
    assert_eq!(found.len(), 16, "{found:#?}");
    assert!(found.iter().all(|p| !p.contains('\n')), "{found:#?}");
}

#[test]
fn something_to_say_is_needed_and_rules_are_bounded() {
    let nothing = problems(json!({"bot": "helper"}));
    assert_eq!(nothing, ["rules: nothing to say: give at least one rule, or a fallback"]);
    let many = vec![json!({"match": "x", "reply": "y"}); 201];
    assert_eq!(
        problems(json!({"bot": "helper", "rules": many})),
        ["rules: 201 rules: at most 200 fit"]
    );
    assert!(problems(json!({"rules": []}))[0].contains("missing field `bot`"));
    assert!(problems(json!({"bot": "helper", "rule": []}))[0].contains("unknown field `rule`"));
}

#[test]
fn the_manual_is_complete() {
    assert_eq!(manual_faults::<AutoReply>(), Vec::<String>::new());
    for key in ["rules.match", "rules.words", "rules.reply", "confab_autoreply_replies_total"] {
        assert!(AutoReply::MANUAL.contains(&format!("`{key}`")), "{key}");
    }
    for (place, (reply, result)) in Reply::ALL.into_iter().enumerate() {
        assert_eq!(reply as usize, place);
        assert!(AutoReply::MANUAL.contains(&format!("\n| `{result}` |")), "{result}");
    }
}
