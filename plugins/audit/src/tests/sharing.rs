//! Several who write one log.

use std::os::unix::fs::PermissionsExt as _;

use confab_plugin::testkit::message;
use serde_json::json;

use super::*;

#[tokio::test]
async fn two_entries_share_a_chain() {
    let place = Place::new();
    let one = place.started(&json!({})).await;
    // Another way to the same file, other options.
    let around = place.path("x/../audit.jsonl");
    fs::create_dir(place.path("x")).unwrap();
    let two = place.started(&json!({"path": around, "content": true, "sync": "always"})).await;
    for _ in 0..3 {
        write(&one, 1).await;
        write(&two, 2).await;
    }
    let lines = place.lines();
    assert_eq!(lines.len(), 1 + 9, "one of them opened it");
    assert_eq!(lines.iter().filter(|line| line["content"] == "hello").count(), 6);
    assert!(place.verify(&[]).is_ok());
}

/// A reload: the new chain starts before the old one stops.
#[tokio::test]
async fn two_generations_share_a_chain() {
    let place = Place::new();
    let mut old = place.started(&json!({})).await;
    for _ in 0..20 {
        old.after(&message("before"), accepted());
        let new = place.started(&json!({"max_size": "1KiB"})).await;
        new.after(&message("after"), accepted());
        work(&new).await;
        work(&old).await;
        old.stop().await;
        drop(std::mem::replace(&mut old, new));
    }
    let told = place.verify(&[]).unwrap();
    assert!(told.starts_with("ok: 41 lines"), "{told}");
}

#[tokio::test]
async fn a_log_goes_on_where_it_ended() {
    let place = Place::new();
    for _ in 0..3 {
        let kit = place.started(&json!({})).await;
        write(&kit, 2).await;
        kit.stop().await;
    }
    let expected = ["opened", "message", "message"].repeat(3);
    assert_eq!(place.kinds(), expected);
    assert!(place.verify(&[]).unwrap().starts_with("ok: 9 lines in 1 file, 1 to 9\nhead 9:"));
}

#[tokio::test]
async fn another_process_is_kept_out() {
    let place = Place::new();
    // A lock belongs to an open file: this one is not the daemon's.
    let other = fs::File::create(place.path("audit.jsonl.lock")).unwrap();
    other.lock().unwrap();
    let why = place.kit(&json!({})).start().await.unwrap_err().to_string();
    assert!(why.contains("another process writes the audit log"), "{why}");
    assert!(!place.log().exists());
    other.unlock().unwrap();
    let kit = place.started(&json!({})).await;
    assert!(other.try_lock().is_err());
    drop(kit);
    other.try_lock().unwrap();
}

fn key(place: &Place, name: &str, bytes: &[u8]) -> PathBuf {
    let path = place.path(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

#[tokio::test]
async fn a_key_is_needed_to_make_and_to_check_hashes() {
    let place = Place::new();
    let good = key(&place, "key", &[b"k".repeat(32), b"\r\n".to_vec()].concat());
    let same = key(&place, "same", &b"k".repeat(32));
    let other = key(&place, "other", &b"o".repeat(32));
    let kit = place.started(&json!({"key_file": good})).await;
    write(&kit, 2).await;
    assert_eq!(place.lines()[0]["seal"], "hmac-sha256");
    let _same = place.started(&json!({"key_file": same})).await;
    let start = async |options| place.kit(&options).start().await.unwrap_err().to_string();
    let why = start(json!({"key_file": other})).await;
    assert!(why.contains("with another key_file; give both the same"), "{why}");
    drop((kit, _same));
    for options in [json!({"key_file": other}), json!({})] {
        let why = start(options).await;
        assert!(why.contains("changed, or written with another key_file"), "{why}");
    }
    let verify = |key: &Path| place.verify(&["--key-file", key.to_str().unwrap()]);
    assert!(verify(&good).is_ok());
    let why = verify(&other).unwrap_err();
    assert!(why.contains("changed") && why.contains("or with another: so verify it"), "{why}");
    let why = place.verify(&[]).unwrap_err();
    assert!(why.contains("changed") && why.contains("give --key-file"), "{why}");
}

#[tokio::test]
async fn bad_keys_are_refused() {
    let place = Place::new();
    let open = key(&place, "open", &b"k".repeat(32));
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    for (path, why) in [
        (key(&place, "short", b"0123456789abcdef0123456789abcde\n"), "31 bytes, fewer than 32"),
        (key(&place, "long", &b"k".repeat(5000)), "more than 4096 bytes"),
        (open, "everybody can read or change it"),
        (place.path("missing"), "No such file"),
        (place.0.path().to_owned(), "not a plain file"),
    ] {
        let told = place.kit(&json!({"key_file": path})).start().await.unwrap_err().to_string();
        assert!(told.contains(why), "{told}");
        assert!(!place.log().exists());
    }
}
