//! What a reload means for plugins and for events in flight.

use std::fs;

use serde_json::json;

use crate::{
    support::wait::until,
    world::{configuration, daemon, entries, logged, reload, with},
};

#[tokio::test]
async fn an_event_in_flight_ends_on_the_chain_it_began_with() {
    let mut daemon = daemon("old");
    let gate = daemon.folder().join("gate");
    let gated = |mark: &str| {
        let witness = format!("mark = \"{mark}\", gate = {gate:?}");
        configuration(mark).replace(&format!("mark = \"{mark}\""), &witness)
    };
    fs::write(&gate, "").unwrap();
    daemon.configure(&gated("old"));
    assert_eq!(reload(&daemon).0, 200);
    fs::remove_file(&gate).unwrap();

    let (mut ann, mut bob) = (daemon.client("ann").await, daemon.client("bob").await);
    ann.say("@bob", "wait for it").await;
    until("the message is held", async || {
        (daemon.log().matches("at the gate entry=\"first\"").count() == 2).then_some(())
    })
    .await;
    let stops = daemon.metric("witness_stops_total");
    daemon.configure(&configuration("new"));
    assert_eq!(reload(&daemon).1["generation"], 3);
    bob.say("@ann", "hello").await;
    assert_eq!(bob.next().await["content"], "hello|new of 3|0|new of 3");
    assert_eq!(daemon.metric("witness_stops_total"), stops, "the old ones are still needed");

    fs::write(&gate, "").unwrap();
    assert_eq!(ann.next_event("message").await["from"], bob.id());
    let held = ann.next_event("message").await;
    assert_eq!(held["content"], "wait for it|old of 2|1|old of 2");
    until("the old ones are stopped", async || {
        (daemon.metric("witness_stops_total") == stops + 2.0).then_some(())
    })
    .await;
    assert!(!daemon.metrics().contains("witness_broken"), "{}", daemon.metrics());
    assert!(daemon.stop().success());
    assert_eq!(daemon.log().matches("the witness stops").count(), 7, "{}", daemon.log());
}

#[tokio::test]
async fn what_did_not_change_goes_on_and_policies_change_around_it() {
    let daemon = daemon("one");
    let (mut ann, _bob) = (daemon.client("ann").await, daemon.client("bob").await);
    ann.say("@bob", "a").await;
    assert_eq!(ann.next().await["content"], "a|one of 1|0|one of 1");

    // In another order, with another timeout, and in shadow: none of it is the plugin's own.
    let mut entries = entries("one");
    entries.swap(0, 1);
    entries[2] = entries[2].replace("timeout = \"1m\"", "timeout = \"2s\"\nmode = \"shadow\"");
    daemon.configure(&with(&entries.concat()));
    let (status, answer) = reload(&daemon);
    assert_eq!(status, 200, "{answer}");
    let changes = answer["changes"].as_array().unwrap();
    let keys: Vec<_> = changes.iter().map(|change| change["key"].as_str().unwrap()).collect();
    assert_eq!(keys, ["plugins", "plugins[last].mode", "plugins[last].timeout"]);
    assert_eq!(changes[1]["old"], "\"enforce\"");
    assert_eq!((&changes[1]["new"], &changes[1]["live"]), (&json!("\"shadow\""), &json!(true)));
    ann.say("@bob", "b").await;
    assert_eq!(ann.next().await["content"], "b|1|one of 2");
    assert_eq!(daemon.metric("witness_starts_total"), 3.0);
    assert_eq!(daemon.metric("witness_stops_total"), 0.0);

    daemon.configure(&with("[[plugins]]\nuse = \"metrics\"\n"));
    assert_eq!(reload(&daemon).0, 200);
    until("all are stopped", async || (daemon.metric("witness_instances") == 0.0).then_some(()))
        .await;
    assert_eq!(daemon.metric("witness_stops_total"), 3.0);
}

#[tokio::test]
async fn a_plugin_that_does_not_start_stops_those_that_did() {
    let daemon = daemon("one");
    let broken = "[[plugins]]\nuse = \"witness\"\nname = \"late\"\noptions = { broken = true }\n";
    let before = configuration("two");
    daemon.configure(&format!("{before}{broken}"));
    let (status, answer) = reload(&daemon);
    assert_eq!(status, 422);
    let error = &answer["errors"][0];
    let place = format!("confab.toml:{}:7", before.lines().count() + 2);
    let message = "plugin entry \"late\" did not start: broken on purpose";
    assert_eq!(error["message"], message);
    assert!(error["place"].as_str().unwrap().ends_with(&place), "{place}: {answer}");
    logged(&daemon, &format!("{message} place=")).await;
    until("the new ones are gone", async || {
        (daemon.metric("witness_instances") == 3.0).then_some(())
    })
    .await;
    assert_eq!(daemon.metric("witness_stops_total"), 2.0, "first and last of the new ones");
    let mut ann = daemon.client("ann").await;
    ann.say("@ann", "a").await;
    assert_eq!(ann.next().await["content"], "a|one of 1|0|one of 1");
    assert_eq!(daemon.metric("confab_config_reloads_total{result=\"failure\"}"), 1.0);
}
