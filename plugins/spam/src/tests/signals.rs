//! Each signal alone, and the score they make together.

use confab_plugin::{Decision, Event, Message, Verdict, testkit::ann};
use serde_json::json;

use super::{kit, message, notes, now, only, passes, secs, send, user};

const TEXT: &str = "Buy these watches today";

#[test]
fn the_same_text_again_and_again() {
    let mut kit = kit(only(json!({"repeats_weight": 1, "max_repeats": 2, "window": "1m"})));
    assert!(passes(&kit, &message(1, TEXT, "")));
    assert!(passes(&kit, &message(1, "buy these WATCHES today!! 7", "")));
    // To others it is no repeat, and other texts are none.
    assert!(passes(&kit, &message(2, TEXT, "")));
    assert!(passes(&kit, &message(1, "How are you today?", "")));
    notes(&mut kit);
    assert!(!passes(&kit, &message(1, TEXT, "")));
    assert_eq!(notes(&mut kit), "score 1 of 1: the same text 3 times to one person in 1m (+1)");
    // Who goes on stays refused; who pauses does not.
    kit.wait(secs(60));
    assert!(!passes(&kit, &message(1, TEXT, "")));
    kit.wait(secs(61));
    assert!(passes(&kit, &message(1, TEXT, "")));
}

#[test]
fn the_same_text_to_many() {
    let mut kit = kit(only(json!({"recipients_weight": 1, "max_recipients": 5, "window": "1m"})));
    let letter = |name: &str| {
        format!("Dear {name}, I have a wonderful offer of watches for you and your family!")
    };
    let names = ["Ann", "Maximilian", "Bob", "Jo", "Christine"];
    for (to, name) in names.iter().enumerate() {
        for _ in 0..3 {
            assert!(passes(&kit, &message(to as u128, &letter(name), "")), "{name}");
        }
    }
    assert!(passes(&kit, &message(9, "Something else that is about as long as the letter", "")));
    notes(&mut kit);
    assert!(!passes(&kit, &message(9, &letter("Zoe"), "")));
    assert_eq!(notes(&mut kit), "score 1 of 1: the same text to 6 people in 1m (+1)");
}

#[test]
fn near_can_be_turned_off() {
    let off = kit(only(json!({"recipients_weight": 1, "max_recipients": 1, "near": false})));
    let letter =
        |name: &str| format!("Dear {name}, I have a wonderful offer of watches for you all!");
    assert!(passes(&off, &message(1, &letter("Ann"), "")));
    assert!(passes(&off, &message(2, &letter("Bob"), "")));
    assert!(!passes(&off, &message(3, &letter("ANN "), "")));
}

#[test]
fn links_in_a_message_and_in_recent_ones() {
    let mut one = kit(only(json!({"links_weight": 1, "max_links": 2})));
    assert!(passes(&one, &message(1, "http://a.example and t.me/x", "")));
    assert!(!passes(&one, &message(1, "http://a.example t.me/x www.b.example", "")));
    assert!(notes(&mut one).ends_with("score 1 of 1: 3 links (+1)"));

    let options = json!({"recent_links_weight": 1, "max_recent_links": 3, "window": "1m"});
    let mut recent = kit(only(options));
    assert!(passes(&recent, &message(1, "http://a.example http://b.example", "")));
    recent.wait(secs(30));
    assert!(passes(&recent, &message(2, "http://c.example", "")));
    assert!(!passes(&recent, &message(3, "http://d.example", "")));
    assert!(notes(&mut recent).ends_with("score 1 of 1: 4 links in 1m (+1)"));
    // Without a link nothing is said against the message.
    assert!(passes(&recent, &message(3, "no link at all", "")));
    recent.wait(secs(31));
    assert!(passes(&recent, &message(3, "http://d.example", "")));
}

#[test]
fn many_new_conversations() {
    let mut kit = kit(only(json!({
        "new_conversations_weight": 1,
        "max_new_conversations": 3,
        "new_conversations_window": "1m",
    })));
    for to in 1..=3 {
        assert!(send(&kit, &message(to, "hello", ""), 1));
        // More to the same person begins nothing.
        assert!(send(&kit, &message(to, "are you there?", ""), 2));
    }
    notes(&mut kit);
    assert!(!send(&kit, &message(4, "hello", ""), 1));
    assert_eq!(notes(&mut kit), "score 1 of 1: 4 new conversations in 1m (+1)");
    assert!(send(&kit, &message(1, "still here", ""), 3));
    // An answer begins nothing.
    let first = Event::Message(Message::new(user(5), ann(), "hello ann", None));
    assert!(send(&kit, &first, 1));
    assert!(send(&kit, &message(5, "hello you", ""), 2));
    assert!(!passes(&kit, &message(6, "hello", "")));
    kit.wait(secs(61));
    assert!(send(&kit, &message(6, "hello", ""), 1));
}

#[test]
fn what_is_not_decided_counts_as_new_until_it_is() {
    let options = json!({"new_conversations_weight": 1, "max_new_conversations": 2});
    let kit = kit(only(options));
    let (one, two, three) =
        (message(1, "hello", ""), message(2, "hello", ""), message(3, "hello", ""));
    assert!(passes(&kit, &one));
    assert!(passes(&kit, &two));
    assert!(!passes(&kit, &three));
    // The one was an old conversation, as after a restart; the other was refused elsewhere.
    kit.after(&one, Decision::Accepted { seq: Some(812), duplicate: false });
    assert!(passes(&kit, &three));
    assert!(!passes(&kit, &message(4, "hello", "")));
    kit.after(&two, Decision::Failed { code: "unavailable" });
    kit.after(&three, Decision::Accepted { seq: Some(1), duplicate: false });
    assert!(passes(&kit, &message(4, "hello", "")));
    assert!(!passes(&kit, &two));
    // What has begun stays begun, whatever comes after it in the same conversation.
    kit.after(&three, Decision::Denied { by: "guard".into(), code: "refused".into() });
    assert!(!passes(&kit, &two));
}

#[test]
fn in_shadow_the_count_goes_on() {
    let options = json!({"new_conversations_weight": 1, "max_new_conversations": 2});
    let kit = kit(only(options));
    for to in 1..=10 {
        let hello = message(to, "hello", "");
        assert_eq!(passes(&kit, &hello), to <= 2, "{to}");
        // It is refused here, and stored nevertheless.
        kit.after(&hello, Decision::Accepted { seq: Some(1), duplicate: false });
    }
}

#[test]
fn a_link_to_somebody_new() {
    let mut kit = kit(only(json!({"first_link_weight": 1})));
    let link = message(1, "see http://a.example", "");
    assert!(!send(&kit, &link, 1));
    assert!(notes(&mut kit).ends_with("score 1 of 1: a link to somebody new (+1)"));
    assert!(send(&kit, &message(1, "hello", ""), 1));
    assert!(send(&kit, &link, 2));
    // Who was written to knows the sender.
    kit.after(
        &Event::Message(Message::new(user(2), ann(), "hi", None)),
        Decision::Accepted { seq: Some(1), duplicate: false },
    );
    assert!(send(&kit, &message(2, "see http://a.example", ""), 2));
}

#[test]
fn how_a_text_looks() {
    for (options, good, bad, why) in [
        (
            json!({"capitals_weight": 1, "max_capitals": 50}),
            "This is a QUITE ordinary text",
            "THIS IS NOT AN ORDINARY text",
            "82% capitals (+1)",
        ),
        (
            json!({"run_weight": 1, "max_run": 5}),
            "nooooo",
            "noooooo!",
            "one character 6 times in a row (+1)",
        ),
        (
            json!({"mentions_weight": 1, "max_mentions": 2}),
            "@ann @bob",
            "@ann @bob @carl",
            "3 mentions (+1)",
        ),
    ] {
        let mut kit = kit(only(options));
        assert!(passes(&kit, &message(1, good, "")), "{good}");
        assert_eq!(notes(&mut kit), "score 0 of 1");
        assert!(!passes(&kit, &message(1, bad, "")), "{bad}");
        assert_eq!(notes(&mut kit), format!("score 1 of 1: {why}"));
    }
}

#[test]
fn weak_signals_add_up_by_the_defaults() {
    let mut kit = kit(json!({}));
    let text = "FREE WATCHES FOR EVERYBODY http://a.example";
    assert!(send(&kit, &message(1, text, ""), 1));
    assert_eq!(notes(&mut kit), "score 4 of 5: a link to somebody new (+2), 100% capitals (+2)");
    let text = format!("{text} {}", "!".repeat(21));
    let run = now(kit.before(message(2, &text, ""))).unwrap();
    let told = "This looks like spam. Please wait a little before you go on.";
    assert_eq!(run.verdict, Verdict::deny("spam", told));
    assert_eq!(
        notes(&mut kit),
        "score 6 of 5: a link to somebody new (+2), 100% capitals (+2), \
         one character 21 times in a row (+2)"
    );
}

#[test]
fn a_campaign_is_stopped_and_a_chat_is_not() {
    let mut kit = kit(json!({}));
    let offer =
        |n: u128| format!("Hey user{n}, join us: https://t.example/join{n} it is great fun");
    let sent = (0..50).filter(|n| send(&kit, &message(*n, &offer(*n), ""), 1)).count();
    assert_eq!(sent, 5);

    kit.wait(secs(3600));
    let talk = ["ok", "yes", "lol", "see you at 5", "see you at 6", "haha", "👍", "where are you?"];
    for n in 0..400 {
        let text = talk[n % talk.len()];
        assert!(send(&kit, &message((n % 3) as u128, text, ""), 2 + n as u64), "{text}");
        kit.wait(secs(20));
    }
}
