//! Redis: good, not there, locked, frozen, and users with too few rights.

use crate::{
    Check, PASSWORD,
    database::TestDatabase,
    nowhere::{CLOSED_PORT, NO_SUCH_HOST},
    redis_server::{RedisServer, shared_url},
};

/// A check with the shared MongoDB, in a database that does not exist.
fn check(redis_url: &str) -> Check {
    let database = TestDatabase::new();
    let variables =
        [("MONGO_URI", &*database.uri), ("MONGO_DB", &database.name), ("REDIS_URL", redis_url)];
    Check::run(&variables)
}

#[tokio::test]
async fn a_good_one() {
    check(&shared_url())
        .good()
        .says("ok", "reached", "it answers")
        .says("ok", "version", "redis ")
        .says("ok", "publish", "arrives")
        .says("ok", "latency", "ms");
}

#[tokio::test]
async fn the_production_file_on_good_servers() {
    let (database, redis) = (TestDatabase::new(), shared_url());
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml");
    let check = Check::run(&[
        ("CONFAB_CONFIG", file),
        ("MONGO_URI", &database.uri),
        ("CONFAB_STORE__MONGO__DATABASE", &database.name),
        ("REDIS_URL", &redis),
    ]);
    check.good().says("ok", "publish", "arrives").never_says("per_pair");
}

#[tokio::test]
async fn one_that_is_not_there() {
    check(&format!("redis://me:{PASSWORD}@127.0.0.1:{CLOSED_PORT}"))
        .bad()
        .says("FAIL", "reached", "refused")
        .advises("nothing listens there");
    check(&format!("redis://:{PASSWORD}@{NO_SUCH_HOST}"))
        .bad()
        .says("FAIL", "reached", "")
        .advises("no such host");
}

#[tokio::test]
async fn one_that_wants_a_password() {
    let server = RedisServer::with(&["--requirepass", PASSWORD]);
    check(&server.url()).bad().says("ok", "reached", "").says("FAIL", "sign-in", "");
    check(&server.url_for(":wrong")).bad().says("FAIL", "sign-in", "").advises("user:password@");
    check(&server.url_for(&format!(":{PASSWORD}"))).good().says("ok", "sign-in", "as default");
}

#[tokio::test]
async fn users_with_too_few_rights() {
    let server = RedisServer::start();
    let minimal = "+publish +subscribe +unsubscribe +ping";
    for (name, rights) in [
        ("good", format!("resetchannels &confab:* {minimal}")),
        ("elsewhere", format!("resetchannels &other:* {minimal}")),
        ("mute", "resetchannels &confab:* +subscribe +unsubscribe +ping".to_owned()),
        ("deaf", "resetchannels &confab:* +publish +ping".to_owned()),
    ] {
        let answer = server.command(&format!("ACL SETUSER {name} on >{PASSWORD} {rights}"));
        assert!(answer.starts_with("+OK"), "{answer}");
    }
    let check = |name: &str| check(&server.url_for(&format!("{name}:{PASSWORD}")));
    check("good").good().says("ok", "sign-in", "as good").says("ok", "publish", "arrives");
    check("elsewhere").bad().says("FAIL", "publish", "cannot subscribe").advises("&PREFIX:*");
    check("mute").bad().says("FAIL", "publish", "cannot publish: NOPERM").advises("+publish");
    check("deaf").bad().says("FAIL", "publish", "cannot subscribe: NOPERM").advises("+subscribe");
    check("nobody").bad().says("FAIL", "sign-in", "");
}

#[tokio::test]
async fn one_that_does_not_answer() {
    let server = RedisServer::start();
    server.freeze();
    check(&server.url()).bad().says("FAIL", "reached", "").advises("no answer");
}

#[tokio::test]
async fn what_is_published_is_heard_by_nobody_and_leaves_nothing() {
    let server = RedisServer::start();
    let keys = || server.command("DBSIZE");
    let before = keys();
    check(&server.url()).good();
    assert_eq!(keys(), before);
    assert_eq!(server.command("PUBSUB CHANNELS"), server.command("PUBSUB CHANNELS none"));
}

#[tokio::test]
async fn without_redis_the_operator_is_told_what_a_second_node_misses() {
    check("").good().says("warn", "nodes", "until they sync");
}
