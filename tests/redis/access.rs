//! A Redis that does not let us in, is not there, or is full of what others wrote.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use confab_plugin::UserId;
use tracing::{level_filters::LevelFilter, subscriber::DefaultGuard};

use crate::{
    bus_suite::user,
    nowhere::{CLOSED_PORT, NO_SUCH_HOST},
    redis_server::RedisServer,
    setup::{Member, config},
    wait::until,
};

/// What is logged by the tests of one thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn here(&self) -> DefaultGuard {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::INFO)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    async fn until(&self, part: &str) {
        let found = until("it is logged", async || self.text().contains(part).then_some(()));
        let found = tokio::time::timeout(Duration::from_secs(10), found).await;
        assert!(found.is_ok(), "\"{part}\" is not in\n{}", self.text());
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What both roles say of a Redis that they cannot use.
async fn refused(url: String, parts: &[&str]) {
    let log = Log::default();
    let _guard = log.here();
    let a = Member::start(&config(url));
    // The subscriber may have told it before.
    for part in parts.iter().chain(&["publisher"]) {
        log.until(part).await;
    }
    let text = log.text();
    assert!(text.contains("WARN") && text.contains("publisher") && !text.contains("hunter2"));
    assert_eq!(a.metric("confab_bus_connected{role=\"publisher\"}"), 0.0, "{text}");
    // The node goes on by itself.
    let ann = user();
    a.node.open(ann, 1);
    a.node.publish(ann, "here");
    assert_eq!(a.node.texts(ann, 1), ["{here}"]);
    // It tries again and again, and says so once.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let said = log.text().lines().filter(|line| line.contains("publisher")).count();
    assert_eq!(said, 1, "{}", log.text());
}

#[tokio::test]
async fn a_redis_that_wants_a_password() {
    let redis = RedisServer::with(&["--requirepass", "hunter2"]);
    let hint = "check the user and the password of bus.redis.url";
    refused(redis.url(), &["NOAUTH", hint]).await;
    refused(redis.url_for(":hunter2x"), &[hint, "127.0.0.1:"]).await;
    let a = Member::start(&config(redis.url_for(":hunter2")));
    a.connected(true).await;
}

#[tokio::test]
async fn a_user_with_few_rights() {
    let redis = RedisServer::start();
    redis.command("ACL SETUSER poor on >hunter2 resetchannels &confab:* +ping +subscribe +hello");
    let right = "ACL SETUSER able on >hunter2 resetchannels &confab:* \
                 +publish +subscribe +unsubscribe +ping +hello";
    redis.command(right);
    let able = Member::start(&config(redis.url_for("able:hunter2")));
    let b = Member::start(&config(redis.url_for("able:hunter2")));
    let ann = user();
    b.open(ann, 1).await;
    able.node.publish(ann, "hello");
    b.node.wait_for(ann, 1, 1).await;

    let log = Log::default();
    let _guard = log.here();
    let poor = Member::start(&config(redis.url_for("poor:hunter2")));
    poor.connected(true).await;
    poor.node.publish(ann, "may not");
    log.until("NoPerm").await;
    log.until("needs +publish").await;
    // Given the right, it goes on by itself, and what waited arrives.
    redis.command("ACL SETUSER poor +publish +unsubscribe");
    b.node.wait_for(ann, 1, 2).await;
    assert_eq!(b.node.texts(ann, 1), ["{hello}", "{may not}"]);
}

#[tokio::test]
async fn nobody_there() {
    let closed = format!("127.0.0.1:{CLOSED_PORT}");
    refused(format!("redis://{closed}"), &["refused", &closed]).await;
    refused(format!("redis://{NO_SUCH_HOST}"), &[NO_SUCH_HOST]).await;
}

#[tokio::test]
async fn something_that_is_not_redis() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let mute = async {
        let mut open = Vec::new();
        while let Ok((stream, _)) = listener.accept().await {
            open.push(stream);
        }
    };
    tokio::select! {
        () = refused(url, &["connect_timeout"]) => {}
        () = mute => {}
    }
}

#[tokio::test]
async fn what_others_write_is_counted_and_skipped() {
    let redis = RedisServer::start();
    let (a, b) = (Member::start(&config(redis.url())), Member::start(&config(redis.url())));
    let ann: UserId = user();
    b.open(ann, 1).await;
    let channel = format!("confab:user:{ann}");
    let mut garbage = String::new();
    for number in 0..200 {
        let nonsense = "\\x01\\xff{".repeat(number);
        garbage.push_str(&format!("PUBLISH {channel} \"{nonsense}\"\r\n"));
        garbage.push_str(&format!("PUBLISH {channel} \"\\x01\\x00{nonsense}\"\r\n"));
    }
    redis.command(&garbage);
    b.metric_until("confab_bus_malformed_total", |count| count == 400.0).await;
    a.node.publish(ann, "ours");
    b.node.wait_for(ann, 1, 1).await;
    assert_eq!(b.node.texts(ann, 1), ["{ours}"]);
    assert_eq!(b.metric("confab_bus_received_total"), 1.0);
}

#[tokio::test]
async fn deployments_with_other_prefixes_do_not_meet() {
    let redis = RedisServer::start();
    let mut other = config(redis.url());
    other.prefix = "other".into();
    let (a, b, c) = (
        Member::start(&config(redis.url())),
        Member::start(&config(redis.url())),
        Member::start(&other),
    );
    let ann = user();
    b.open(ann, 1).await;
    c.open(ann, 1).await;
    a.node.publish(ann, "ours");
    b.node.wait_for(ann, 1, 1).await;
    assert_eq!(c.node.here.brought(ann), 0);
    assert_eq!(a.metric("confab_bus_received_total"), 0.0, "one's own are not received");
}
