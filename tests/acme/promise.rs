//! What an operator who gives nothing but a name can rely on.

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use rcgen::{CertificateParams, KeyPair};

use super::{
    support,
    visitor::Visitor,
    world::{NAMES, World, session},
};
use support::{certificates::shown, wait};

/// All files below a folder, and the folder, with their permissions.
fn permissions(path: &Path) -> Vec<u32> {
    let mode = path.metadata().expect("there").permissions().mode();
    let mut all = vec![mode & 0o7777 | if path.is_dir() { 0o10000 } else { 0 }];
    if path.is_dir() {
        let inner = fs::read_dir(path).expect("read").map(|entry| entry.expect("read").path());
        all.extend(inner.flat_map(|path| permissions(&path)));
    }
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_enough_and_a_restart_asks_nobody() {
    let mut world = World::start();
    // Nothing is there yet, but the daemon is.
    assert_eq!(world.daemon.admin().get("/readyz", None).0, 200);
    assert_eq!(world.said("waits for its first certificate"), 1);
    let pebble = world.pebble(0).await;
    let root = pebble.root(&world.place).await;
    world.until("success", 1.0).await;
    let (visitor, address) = (Visitor::new(&root), world.daemon.address().to_owned());
    let first = shown(&visitor.connect(&address, NAMES[0]).await.expect("a handshake"));
    assert_eq!(shown(&visitor.connect(&address, NAMES[1]).await.expect("a handshake")), first);
    assert!(visitor.connect(&address, "other.example.test").await.is_err());

    let mut ann = session(&visitor, &address, "ann").await;
    let mut bob = session(&visitor, &address, "bob").await;
    ann.say("@bob", "within TLS").await;
    assert_eq!(ann.next_event("message").await["seq"], 1);
    assert_eq!(bob.next_event("message").await["content"], "within TLS");

    // One for each name, and none of them failed; the other name above did.
    assert!(world.handshakes("challenge") >= 2.0);
    wait::until("it is counted", async || (world.handshakes("failure") == 1.0).then_some(())).await;
    // Nobody gets an answer to a challenge any more.
    let late = Visitor::speaking(&root, "acme-tls/1").connect(&address, NAMES[0]).await;
    assert!(late.expect_err("refused").to_string().contains("NoApplicationProtocol"));
    let mut modes = permissions(&world.path("kept"));
    modes.sort_unstable();
    assert_eq!(modes, [0o600, 0o600, 0o10700, 0o10700]);

    drop((pebble, ann, bob));
    assert!(world.daemon.stop().success());
    world.daemon.start_again();
    let address = world.daemon.address().to_owned();
    assert_eq!(shown(&visitor.connect(&address, NAMES[0]).await.expect("a handshake")), first);
    assert_eq!((world.orders("success"), world.orders("failure")), (0.0, 0.0));
}

/// A certificate for these names that nobody vouches for, which has had 89 days and has so many
/// left: it, and it with its key, in PEM.
fn made_by_hand(names: &[&str], days: u32) -> (String, String) {
    let key = KeyPair::generate().expect("a key");
    let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    let (now, day) = (time::OffsetDateTime::now_utc(), Duration::from_secs(86_400));
    params.not_before = now - 89 * day;
    params.not_after = now + days * day;
    let certificate = params.self_signed(&key).expect("a certificate").pem();
    let whole = format!("{}{certificate}", key.serialize_pem());
    (certificate, whole)
}

/// A daemon that finds this certificate in its folder.
fn with_kept(whole: &str) -> World {
    World::start_with("kept", |folder| {
        fs::create_dir_all(folder).expect("made");
        fs::write(folder.join("certificate.pem"), whole).expect("written");
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_is_renewed_while_a_session_stays_open() {
    let (old, whole) = made_by_hand(&NAMES, 1);
    let world = with_kept(&whole);
    assert_eq!(world.said("waits for its first certificate"), 0);
    let address = world.daemon.address().to_owned();
    let visitor = Visitor::new(&old);
    let first = shown(&visitor.connect(&address, NAMES[0]).await.expect("a handshake"));
    let mut ann = session(&visitor, &address, "ann").await;
    // The server is away: the old one goes on, and the log is not filled.
    world.until("failure", 3.0).await;
    assert_eq!(world.said("no certificate: it is tried again"), 1, "{}", world.daemon.log());
    assert_eq!(shown(&visitor.connect(&address, NAMES[0]).await.expect("a handshake")), first);
    ann.say("@ann", "before").await;
    ann.next_event("message").await;

    let expiry = "confab_tls_certificate_expiry_timestamp_seconds";
    let before = world.daemon.metric(expiry);
    // Of good requests one in five is refused and made again.
    let pebble = world.pebble(20).await;
    let new = pebble.root(&world.place).await;
    // Whoever comes while Pebble is awaited, is answered as ever.
    let both = Visitor::new(&format!("{old}{new}"));
    wait::until("it is renewed", async || {
        both.connect(&address, NAMES[0]).await.expect("a handshake");
        (world.orders("success") >= 1.0).then_some(())
    })
    .await;
    let renewed = Visitor::new(&new);
    assert_ne!(shown(&renewed.connect(&address, NAMES[0]).await.expect("a handshake")), first);
    assert!(world.daemon.metric(expiry) > before);
    ann.say("@ann", "after").await;
    assert_eq!(ann.next_event("message").await["seq"], 2);
    assert_eq!(world.orders("success"), 1.0);
    assert_eq!(world.handshakes("failure"), 0.0);
}

#[tokio::test]
async fn a_further_name_is_asked_for_at_once() {
    let (kept, whole) = made_by_hand(&NAMES[..1], 89);
    let world = with_kept(&whole);
    world.until("failure", 1.0).await;
    // Meanwhile the other one is as it was.
    let visitor = Visitor::new(&kept);
    visitor.connect(world.daemon.address(), NAMES[0]).await.expect("a handshake");
    assert!(visitor.connect(world.daemon.address(), NAMES[1]).await.is_err());
}

#[tokio::test]
async fn what_is_good_for_long_is_kept() {
    let (kept, whole) = made_by_hand(&NAMES, 89);
    let world = with_kept(&whole);
    let visitor = Visitor::new(&kept);
    visitor.connect(world.daemon.address(), NAMES[1]).await.expect("a handshake");
    assert_eq!((world.orders("success"), world.orders("failure")), (0.0, 0.0));
    assert!(world.daemon.metrics().contains("confab_tls_acme_orders_total{result=\"success\"} 0"));
}
