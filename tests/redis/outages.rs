//! Redis goes away and comes back.

use std::time::{Duration, Instant, SystemTime};

use confab::wire::Frame;

use crate::{
    bus_suite::user,
    proxy::Proxy,
    redis_server::RedisServer,
    setup::{Member, config, narrow},
    wait::until,
};

/// Publishing must never wait; this is far above what it takes, and below any time limit.
const AT_ONCE: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_redis_delays_and_loses_nothing() {
    let mut redis = RedisServer::start();
    let (a, b) = (Member::start(&config(redis.url())), Member::start(&config(redis.url())));
    let (ann, bob) = (user(), user());
    b.open(ann, 1).await;
    a.open(bob, 2).await;
    a.node.publish(ann, "before");
    b.node.wait_for(ann, 1, 1).await;
    a.connected(true).await;
    b.connected(true).await;

    let killed = SystemTime::now();
    redis.kill();
    for number in 0..1000 {
        a.node.publish(ann, &format!("during {number}"));
    }
    // Those who are on the same node do not notice.
    a.node.publish(bob, "here");
    assert_eq!(a.node.texts(bob, 2), ["{here}"]);
    a.connected(false).await;
    b.connected(false).await;
    a.node.publish_frame(ann, None, Frame::received("{typing}".into(), true));
    assert_eq!(a.metric("confab_bus_dropped_total"), 1.0, "typing is not kept");
    assert!(a.metric("confab_bus_queue") > 0.0);
    // Somebody comes while Redis is away.
    let late = user();
    let came = SystemTime::now();
    b.node.open(late, 3);

    redis.start_again();
    a.connected(true).await;
    b.connected(true).await;
    assert!(a.metric("confab_bus_reconnects_total{role=\"publisher\"}") >= 1.0);
    assert!(b.metric("confab_bus_reconnects_total{role=\"subscriber\"}") >= 1.0);
    let since = b.node.here.missed(ann).await;
    assert!(since <= killed + Duration::from_millis(400), "not later than Redis went");
    assert!(since + Duration::from_secs(5) > killed, "nor long before");
    let since = b.node.here.missed(late).await;
    assert!(since >= came && since <= came + Duration::from_secs(1));
    a.metric_until("confab_bus_queue", |value| value == 0.0).await;
    for to in [ann, late] {
        a.node.publish(to, "after");
    }
    until("messages arrive again", async || {
        b.node.texts(ann, 1).contains(&"{after}".to_owned()).then_some(())
    })
    .await;
    b.node.wait_for(late, 3, 1).await;
    // What waited was sent in order; what was sent before b was back is what it missed.
    let texts = b.node.texts(ann, 1);
    let during: Vec<usize> = texts
        .iter()
        .filter_map(|text| text.strip_prefix("{during ")?.strip_suffix('}')?.parse().ok())
        .collect();
    assert!(during.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{during:?}");
    assert!(during.last().is_none_or(|last| *last == 999));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_redis_holds_up_nobody() {
    let redis = RedisServer::start();
    let (a, b) = (Member::start(&config(redis.url())), Member::start(&config(redis.url())));
    let (ann, bob) = (user(), user());
    b.open(ann, 1).await;
    a.open(bob, 2).await;
    a.connected(true).await;

    redis.freeze();
    let frozen = SystemTime::now();
    let mut slowest = Duration::ZERO;
    for number in 0..20_000 {
        let started = Instant::now();
        a.node.publish(ann, &number.to_string());
        slowest = slowest.max(started.elapsed());
    }
    assert!(slowest < AT_ONCE, "a publish took {slowest:?}");
    a.node.publish(bob, "here");
    assert_eq!(a.node.texts(bob, 2), ["{here}"]);
    a.connected(false).await;
    b.connected(false).await;

    redis.thaw();
    a.connected(true).await;
    b.connected(true).await;
    let since = b.node.here.missed(ann).await;
    assert!(since <= frozen + Duration::from_millis(100), "not later than Redis froze");
    a.metric_until("confab_bus_queue", |value| value == 0.0).await;
    a.node.publish(ann, "after");
    until("messages arrive again", async || {
        b.node.texts(ann, 1).contains(&"{after}".to_owned()).then_some(())
    })
    .await;
    // The frozen Redis also carries out what it was sent before it was given up: copies.
    let mut numbers: Vec<usize> = Vec::new();
    for text in b.node.texts(ann, 1) {
        numbers.extend(text.trim_matches(['{', '}']).parse::<usize>());
    }
    assert!(numbers.is_sorted_by(|a, b| a < b), "in order, no copies");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_freezes_for_a_moment_costs_nothing() {
    let redis = RedisServer::start();
    let patient = || {
        let mut config = config(redis.url());
        config.response_timeout = confab_plugin::Duration::from_secs(20);
        config
    };
    let (a, b) = (Member::start(&patient()), Member::start(&patient()));
    let ann = user();
    b.open(ann, 1).await;
    a.connected(true).await;
    redis.freeze();
    for number in 0..1000 {
        a.node.publish(ann, &number.to_string());
    }
    redis.thaw();
    b.node.wait_for(ann, 1, 1000).await;
    let expected: Vec<String> = (0..1000).map(|number| format!("{{{number}}}")).collect();
    assert_eq!(b.node.texts(ann, 1), expected);
    assert_eq!(a.metric("confab_bus_reconnects_total{role=\"publisher\"}"), 0.0);
    assert!(b.node.here.take_missed().is_empty());
}

/// Only the publisher's node is cut off: the others notice nothing, and must be told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_falls_out_of_the_queue_is_known_where_it_is_missed() {
    let redis = RedisServer::start();
    let proxy = Proxy::start(redis.url().replace("redis://", "")).await;
    let (a, b) = (Member::start(&narrow(proxy.url(), 10)), Member::start(&config(redis.url())));
    let (ann, bob, eve) = (user(), user(), user());
    for (session, who) in [(1, ann), (2, bob), (3, eve)] {
        b.open(who, session).await;
    }
    a.connected(true).await;
    proxy.cut();
    a.connected(false).await;
    let before = SystemTime::now();
    a.node.publish(ann, "lost");
    for number in 0..600 {
        a.node.publish(bob, &number.to_string());
    }
    assert_eq!(a.metric("confab_bus_queue"), 10.0);
    assert_eq!(a.metric("confab_bus_dropped_total"), 591.0);
    assert!(b.node.here.take_missed().is_empty(), "b was not cut off");

    proxy.mend();
    for who in [ann, bob] {
        let since = b.node.here.missed(who).await;
        assert!(since + Duration::from_millis(1) > before && since <= SystemTime::now());
    }
    b.node.wait_for(bob, 2, 10).await;
    let expected: Vec<String> = (590..600).map(|number| format!("{{{number}}}")).collect();
    assert_eq!(b.node.texts(bob, 2), expected);
    assert!(b.node.here.take_missed().is_empty(), "eve missed nothing");
    assert_eq!(b.metric("confab_bus_reconnects_total{role=\"subscriber\"}"), 0.0);
}

/// As Redis does to a subscriber that reads too slowly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_that_is_cut_off_begins_anew() {
    let redis = RedisServer::start();
    let (a, b) = (Member::start(&config(redis.url())), Member::start(&config(redis.url())));
    let ann = user();
    b.open(ann, 1).await;
    a.connected(true).await;
    redis.command("CLIENT KILL TYPE pubsub");
    let cut = SystemTime::now();
    let since = b.node.here.missed(ann).await;
    assert!(since <= cut);
    a.node.publish(ann, "after");
    b.node.wait_for(ann, 1, 1).await;
    assert!(b.metric("confab_bus_reconnects_total{role=\"subscriber\"}") >= 1.0);
    assert_eq!(a.metric("confab_bus_reconnects_total{role=\"publisher\"}"), 0.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_while_redis_is_away_takes_a_bounded_time() {
    let redis = RedisServer::start();
    let a = Member::start(&config(redis.url()));
    a.connected(true).await;
    redis.freeze();
    a.node.publish(user(), "lost");
    let started = Instant::now();
    a.node.bus.close().await;
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_users_are_subscribed_anew() {
    let mut redis = RedisServer::start();
    let (a, b) = (Member::start(&config(redis.url())), Member::start(&config(redis.url())));
    let users: Vec<_> = (0..5000).map(|_| user()).collect();
    for user in &users {
        b.node.open(*user, 1);
    }
    for user in [&users[0], &users[4999]] {
        b.node.here.missed(*user).await;
    }
    redis.kill();
    b.connected(false).await;
    b.node.here.take_missed();
    redis.start_again();
    let mut told = std::collections::HashSet::new();
    until("all are told of", async || {
        told.extend(b.node.here.take_missed().iter().map(|missed| missed.user));
        (told.len() == users.len()).then_some(())
    })
    .await;
    a.connected(true).await;
    for user in &users {
        a.node.publish(*user, "after");
    }
    for user in &users {
        b.node.wait_for(*user, 1, 1).await;
    }
    let count: usize = redis
        .command("PUBSUB CHANNELS confab:user:*")
        .lines()
        .find_map(|line| line.strip_prefix('*')?.parse().ok())
        .unwrap();
    assert_eq!(count, users.len());
}
