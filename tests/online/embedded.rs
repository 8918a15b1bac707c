//! The embedded store, and how the command is called.

use std::process::Command;

use crate::Check;

#[test]
fn an_embedded_store_that_is_not_there_yet_is_good() {
    Check::run(&[]).good().says("ok", "folder", "can be made").never_says("Redis");
}

#[test]
fn a_folder_that_cannot_be_made_is_told() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().join("data").display().to_string();
    Check::run(&[("CONFAB_STORE__PATH", &path)]).bad().says("FAIL", "folder", "cannot");
}

#[test]
fn a_wrong_configuration_is_told_before_anybody_is_asked() {
    for (variables, text) in [
        (
            &[("MONGO_URI", "mongodb://a:hunter2@127.0.0.1/"), ("MONGO_DB", "a.b")][..],
            "must not have the character '.'",
        ),
        (&[("MONGO_URI", "http://a:hunter2@127.0.0.1/")], "not a URI of MongoDB"),
        (&[("REDIS_URL", "redis://:hunter2@127.0.0.1/")], "Redis needs MongoDB"),
    ] {
        let check = Check::run(variables);
        assert_eq!(check.output.status.code(), Some(78), "{}", check.text);
        assert!(check.text.contains(text), "{}", check.text);
    }
}

#[test]
fn secrets_cannot_be_left_out_online() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_confab"));
    let output = command.args(["check", "--online", "--no-secrets"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}
