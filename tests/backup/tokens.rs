//! The key of tokens is in a backup, unless it is left out.

use std::fs;

use crate::command::{backup, daemon, restore};

#[test]
fn a_restored_server_goes_on_accepting_its_tokens() {
    let folder = tempfile::tempdir().unwrap();
    let [data, with, without] = ["data", "with", "without"].map(|name| folder.path().join(name));
    let original = daemon(&data);
    let ann = original.http().register("ann");
    let told = |done: serde_json::Value| done["secret_key"].as_bool();
    assert_eq!(told(backup(&data, &with, &[]).done()), Some(true));
    assert_eq!(told(backup(&data, &without, &["--without-key"]).done()), Some(false));
    let key = fs::read(data.join("secret_key")).unwrap();
    let holds_key = |bytes: Vec<u8>| bytes.windows(key.len()).any(|part| part == key);
    assert!(holds_key(fs::read(&with).unwrap()) && !holds_key(fs::read(&without).unwrap()));

    let status = |name: &str, file, more: &[&str], expected| {
        let data = folder.path().join(name);
        assert_eq!(told(restore(&data, file, more).done()), Some(expected), "{name}");
        // The copy that the daemon runs on has the key in its own file alone.
        assert!(!holds_key(fs::read(data.join("confab.db")).unwrap()), "{name}");
        daemon(&data).http().get("/users/me", Some(&ann.token)).0
    };
    assert_eq!(status("a", &with, &[], true), 200);
    assert_eq!(status("b", &without, &[], false), 401);
    assert_eq!(status("c", &with, &["--without-key"], false), 401);
}
