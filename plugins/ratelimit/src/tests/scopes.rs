//! Who shares a bucket with whom, and what a rule does not count.

use std::net::IpAddr;

use confab_plugin::{Context, Event, EventKind, Message, Seen, Typing, UserId, testkit};
use serde_json::json;

use super::{burst, context, event, message, passes, rules, user};

fn at(address: &str) -> Context {
    let mut cx = context();
    cx.address = address.parse().unwrap();
    cx
}

#[test]
fn users_have_buckets_of_their_own() {
    let kit = rules(&json!([{"per": "user", "events": 3}]));
    let mut ann = user(1);
    assert_eq!(burst(kit.plugin(), &ann, &message("x")), 3);
    assert_eq!(burst(kit.plugin(), &user(2), &message("x")), 3);
    // Another device, another address: the same user.
    ann.address = "198.51.100.7".parse().unwrap();
    ann.session = None;
    assert!(!passes(kit.plugin(), &ann, &message("x")));
}

#[test]
fn ipv6_counts_by_the_network() {
    let kit = rules(&json!([{"per": "address", "events": 3}]));
    for (address, left) in [
        ("192.0.2.1", 3),
        ("192.0.2.2", 3),
        ("::ffff:192.0.2.1", 0),
        ("2001:db8:0:1::1", 3),
        ("2001:db8:0:1:ffff:ffff:ffff:ffff", 0),
        ("2001:db8:0:2::1", 3),
        ("::ffff:192.0.2.3", 3),
        ("192.0.2.3", 0),
        ("0.0.0.0", 3),
        ("::", 3),
        ("::2", 0),
    ] {
        assert_eq!(burst(kit.plugin(), &at(address), &message("x")), left, "{address}");
    }
}

#[test]
fn conversations_count_each_way() {
    let kit = rules(&json!([{"per": "conversation", "events": 3}]));
    let id = UserId::from_u128;
    let send = |from, to| {
        burst(kit.plugin(), &user(from), &Event::Message(Message::new(id(from), id(to), "x", None)))
    };
    assert_eq!([send(1, 2), send(1, 3), send(2, 1), send(1, 2)], [3, 3, 3, 0]);
    let typing = Event::Typing(Typing::new(id(1), id(2), true));
    let seen = Event::Seen(Seen::new(id(1), id(4), None));
    assert!(!passes(kit.plugin(), &user(1), &typing));
    assert_eq!(burst(kit.plugin(), &user(1), &seen), 3);
}

#[test]
fn all_share_one_bucket() {
    let kit = rules(&json!([{"per": "all", "events": 3}]));
    assert!(passes(kit.plugin(), &user(1), &message("x")));
    assert!(passes(kit.plugin(), &at("192.0.2.1"), &event("login")));
    assert_eq!(burst(kit.plugin(), &user(2), &event("connect")), 1);
}

#[test]
fn a_rule_counts_its_kinds() {
    let one = |kinds| rules(&json!([{"per": "all", "kinds": kinds, "events": 1, "every": "1h"}]));
    for counted in EventKind::ALL {
        if counted == EventKind::Disconnect {
            continue;
        }
        let kit = one(json!([counted]));
        for event in testkit::events() {
            let cx = context();
            assert!(passes(kit.plugin(), &cx, &event));
            assert_eq!(passes(kit.plugin(), &cx, &event), event.kind() != counted, "{counted}");
        }
    }
}

#[test]
fn without_kinds_a_rule_counts_what_it_can() {
    for (per, all) in [
        ("user", "connect message typing seen"),
        ("address", "register login connect message typing seen"),
        ("conversation", "message typing seen"),
        ("all", "register login connect message typing seen"),
    ] {
        for event in testkit::events() {
            let kit = rules(&json!([{"per": per, "events": 1, "every": "1h"}]));
            let mut cx = context();
            if matches!(event, Event::Register(_) | Event::Login(_)) {
                cx.user = None;
            }
            assert!(passes(kit.plugin(), &cx, &event));
            let counts = all.split(' ').any(|kind| kind == event.kind().as_str());
            assert_eq!(passes(kit.plugin(), &cx, &event), !counts, "{per} {}", event.kind());
        }
    }
}

#[test]
fn bots_have_no_address_and_are_users() {
    let kit = rules(&json!([
        {"per": "address", "events": 1, "every": "1h"},
        {"per": "user", "events": 3, "every": "1h"},
    ]));
    let mut bot = user(9);
    bot.address = Context::NOWHERE;
    bot.sent_by = Some("helper".into());
    assert_eq!(burst(kit.plugin(), &bot, &message("x")), 3);
    // A client whose address is unknown is no bot.
    bot.sent_by = None;
    bot.user = None;
    assert_eq!(burst(kit.plugin(), &bot, &event("login")), 1);
    assert_eq!(Context::NOWHERE, "0.0.0.0".parse::<IpAddr>().unwrap());
}
