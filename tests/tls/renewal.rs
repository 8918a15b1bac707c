//! A certificate is renewed while the daemon runs.

use std::{fs, time::Duration};

use serde_json::json;

use super::{support, world::World};
use support::{
    Client, Http,
    certificates::{held, shown},
    wait,
};

const SUCCESSES: &str = "confab_tls_reloads_total{result=\"success\"}";
const FAILURES: &str = "confab_tls_reloads_total{result=\"failure\"}";
const EXPIRY: &str = "confab_tls_certificate_expiry_timestamp_seconds";

/// The certificate that the next client is shown.
async fn now(world: &World) -> Vec<u8> {
    shown(&world.authority.connect(world.daemon.address()).await.expect("a handshake"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_pair_is_taken_up_and_sessions_go_on() {
    let world = World::start("check_interval = \"1s\"\n");
    let address = world.authority.tunnel(world.daemon.address()).await;
    let ann = tokio::task::spawn_blocking({
        let address = address.clone();
        move || Http::new(&address).register("ann")
    });
    let mut ann = Client::connect(&address, &ann.await.unwrap()).await;
    let (first, expiry) = (now(&world).await, world.daemon.metric(EXPIRY));
    let second = world.authority.issue_for("rsa:2048", "second", 90);
    world.renew(&second);
    wait::until("it is taken up", async || {
        (now(&world).await == held(&second.certificate)).then_some(())
    })
    .await;
    assert_ne!(first, held(&second.certificate));
    let days = (world.daemon.metric(EXPIRY) - expiry) / 86_400.0;
    assert!((59.0..61.0).contains(&days), "{days}");
    assert_eq!((world.daemon.metric(SUCCESSES), world.daemon.metric(FAILURES)), (1.0, 0.0));
    // On the connection of before.
    ann.say("@ann", "still here").await;
    ann.next_event("message").await;
}

#[tokio::test]
async fn a_bad_pair_is_told_of_once_and_the_one_of_before_goes_on() {
    let world = World::start("check_interval = \"1s\"\n");
    let first = now(&world).await;
    let (certificate, key) = world.files();
    let second = world.authority.issue("second", 90);
    // Only the certificate: half of a renewal.
    fs::copy(&second.certificate, &certificate).unwrap();
    wait::until("it is told of", async || (world.daemon.metric(FAILURES) == 1.0).then_some(()))
        .await;
    assert_eq!(now(&world).await, first);
    // The log is written in the background.
    for told in ["the certificate of before goes on", "is not the key of the first certificate in"]
    {
        wait::until("it is logged", async || world.daemon.log().contains(told).then_some(())).await;
    }
    // At the next looks it is no news; that there is nothing any more, is.
    fs::remove_file(&key).unwrap();
    wait::until("it is told of", async || (world.daemon.metric(FAILURES) == 2.0).then_some(()))
        .await;
    assert_eq!(now(&world).await, first);
    world.renew(&second);
    wait::until("the whole is taken up", async || {
        (now(&world).await == held(&second.certificate)).then_some(())
    })
    .await;
    assert_eq!((world.daemon.metric(SUCCESSES), world.daemon.metric(FAILURES)), (1.0, 2.0));
}

#[tokio::test]
async fn a_reload_takes_it_up_at_once_or_fails() {
    let world = World::start("check_interval = \"24h\"\n");
    let first = now(&world).await;
    let (_, key) = world.files();
    fs::write(&key, "-----BEGIN nonsense").unwrap();
    let (status, answer) = world.daemon.admin().post_json("/reload", &json!({}));
    assert_eq!((status, &answer["code"]), (422, &json!("invalid_config")));
    let error = &answer["errors"][0];
    assert!(error["place"].as_str().unwrap().ends_with("confab.toml:3:12"), "{answer}");
    assert!(error["message"].as_str().unwrap().contains("holds no private key"), "{answer}");
    assert_eq!(now(&world).await, first);

    let second = world.authority.issue("second", 90);
    world.renew(&second);
    let (status, answer) = world.daemon.admin().post_json("/reload", &json!({}));
    assert_eq!((status, &answer["needs_restart"]), (200, &json!([])), "{answer}");
    assert_eq!(now(&world).await, held(&second.certificate));
    assert_eq!(world.daemon.metric(SUCCESSES), 1.0);

    // To speak TLS no more is for a restart.
    world.daemon.configure("");
    let (status, answer) = world.daemon.admin().post_json("/reload", &json!({}));
    assert_eq!(status, 200);
    assert!(answer["needs_restart"].to_string().contains("server.tls.key_file"), "{answer}");
    assert_eq!(now(&world).await, held(&second.certificate));
    world.configure("");
    tokio::time::timeout(Duration::from_secs(20), now(&world)).await.unwrap();
}
