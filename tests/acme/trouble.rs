//! What goes wrong is told once, counted, tried again, and harms nothing else.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
};

use serde_json::json;

use super::{
    visitor::Visitor,
    world::{NAMES, World},
};

const TOLD: &str = "no certificate: it is tried again";

#[tokio::test]
async fn a_server_that_is_away_is_waited_for() {
    let world = World::start();
    world.until("failure", 3.0).await;
    assert_eq!(world.said(TOLD), 1, "{}", world.daemon.log());
    assert!(world.daemon.log().contains("Connection refused"), "{}", world.daemon.log());
    assert_eq!(world.daemon.admin().get("/readyz", None).0, 200);
    // There is nothing to answer a handshake with.
    let nobody = Visitor::new(&fs::read_to_string(world.place.authority.file()).expect("read"));
    assert!(nobody.connect(world.daemon.address(), NAMES[0]).await.is_err());
}

#[tokio::test]
async fn a_refused_challenge_is_told_and_a_server_may_forget_us() {
    let world = World::start();
    // It asks somebody else, who hangs up.
    let other = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a port");
    let wrong = other.local_addr().expect("bound").port();
    drop(other);
    let pebble = world.place.start(wrong, 0).await;
    let refused =
        || world.said(&format!("{}: ", NAMES[0])) + world.said(&format!("{}: ", NAMES[1]));
    super::support::wait::until("it is told", async || (refused() >= 1).then_some(())).await;
    assert!(
        world.daemon.log().contains("Failed to connect to 127.0.0.1"),
        "{}",
        world.daemon.log()
    );
    assert_eq!((world.orders("success"), world.handshakes("challenge")), (0.0, 0.0));
    assert_eq!(world.daemon.admin().get("/readyz", None).0, 200);
    drop(pebble);
    // Another one in its place, which knows neither the account nor its key.
    let pebble = world.pebble(0).await;
    world.until("success", 1.0).await;
    let visitor = Visitor::new(&pebble.root(&world.place).await);
    visitor.connect(world.daemon.address(), NAMES[0]).await.expect("a handshake");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_told_before_anybody_is_asked() {
    let world = World::start_with("file/below", |folder| {
        let file = folder.ancestors().nth(2).expect("a parent");
        fs::write(file, "no folder").expect("written");
    });
    world.until("failure", 2.0).await;
    assert_eq!(world.said("cannot be written: Not a directory"), 1, "{}", world.daemon.log());
    assert_eq!(world.said(TOLD), 1);
    // It is looked at again.
    fs::remove_file(world.path("file")).expect("removed");
    let _pebble = world.pebble(0).await;
    world.until("success", 1.0).await;
}

#[tokio::test]
async fn a_reload_leaves_it_as_it_is_and_says_so() {
    let world = World::start();
    world.daemon.configure("[server.tls.acme]\ndomains = [\"a.example\"]\naccept_terms = true\n");
    let (status, answer) = world.daemon.admin().post_json("/reload", &json!({}));
    assert_eq!(status, 200, "{answer}");
    let waits = answer["needs_restart"].to_string();
    assert!(waits.contains("server.tls.acme.domains"), "{answer}");
    assert!(waits.contains("server.tls.acme.directory"), "{answer}");
}
