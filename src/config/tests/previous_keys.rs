//! Previous keys are found in files and in a credential, and what is wrong with one is said where
//! it is named.

use super::support::Setup;

const ONE: &str = "hK8wZr2nXv5tPq1yGd7mBf3cLs9jUe6oTa4i";
const TWO: &str = "Qm6rDk1xWz9bHv4nYt7cJp2sFg8lEu5oRi3a";

fn previous(setup: &Setup) -> Vec<String> {
    let keys = setup.load().unwrap().config.auth.previous_secret_keys;
    keys.iter().map(|key| key.expose().to_owned()).collect()
}

/// Two files with keys, and a list of them in a variable.
fn listed() -> Setup {
    let setup = Setup::empty().and("one", format!("{ONE}\n")).and("two", format!("{TWO}\r\n"));
    let list = format!("{},{}", setup.path("one").display(), setup.path("two").display());
    setup.variable("CONFAB_AUTH__PREVIOUS_SECRET_KEY_FILES", &list)
}

#[test]
fn files_and_the_credential_hold_previous_keys() {
    assert_eq!(previous(&Setup::empty()), [""; 0]);
    let setup = listed();
    assert_eq!(previous(&setup), [ONE, TWO]);
    let mut unread = listed();
    unread.flags.no_secrets = true;
    assert_eq!(previous(&unread), [""; 0]);

    let with_credential = |setup: Setup| {
        let setup = setup.and("credentials/previous_secret_key", ONE);
        let folder = setup.path("credentials").display().to_string();
        setup.variable("CREDENTIALS_DIRECTORY", &folder)
    };
    assert_eq!(previous(&with_credential(Setup::empty())), [ONE]);
    assert_eq!(previous(&with_credential(listed())), [ONE, TWO], "files go first");
    let shown = format!("{:?}", setup.load().unwrap().config);
    assert!(!shown.contains(ONE), "{shown}");
}

#[test]
fn what_is_wrong_is_said_where_it_is_named() {
    let missing = Setup::file("auth.previous_secret_key_files = [\"/nowhere/key\"]").errors();
    let what = "cannot read the previous secret key from /nowhere/key";
    assert!(missing.contains(what) && missing.contains("confab.toml:1:35"), "{missing}");

    let weak = Setup::file("").and("key", "short");
    let path = weak.path("key").display().to_string();
    let weak = weak.and("confab.toml", format!("auth.previous_secret_key_files = ['{path}']"));
    let errors = weak.errors();
    assert!(errors.contains("has 5 bytes") && errors.contains("the key from "), "{errors}");

    let nine = format!("auth.previous_secret_key_files = [{}]", "'a', ".repeat(9));
    assert!(Setup::file(nine).errors().contains("must be at most 8 files, and is 9"));
    let empty = Setup::file("auth.previous_public_key_files = ['']").errors();
    assert!(empty.contains("the path is empty"), "{empty}");
}

#[test]
fn public_keys_are_for_the_other_algorithms() {
    let pem = "-----BEGIN PUBLIC KEY-----\n";
    let setup = Setup::empty().and("a.pem", pem).and("b.pem", "hunter2");
    let path = |name| setup.path(name).display().to_string();
    let (a, b) = (path("a.pem"), path("b.pem"));
    let toml = format!(
        "auth = {{ algorithm = 'ES256', private_key_file = '{a}', public_key_file = '{a}',
                   previous_public_key_files = ['{a}', '{b}'] }}",
    );
    let errors = setup.and("confab.toml", toml).errors();
    assert!(
        errors.contains("it is not a PEM file") && errors.contains("confab.toml:2"),
        "{errors}"
    );
    assert!(!errors.contains("hunter2"), "{errors}");

    let warned = |text: &str| {
        let warnings = Setup::file(text).load().unwrap().warnings;
        warnings.iter().any(|warning| warning.as_ref().message().contains("of no use"))
    };
    assert!(warned("auth.previous_public_key_files = ['/a']"));
    assert!(!warned("auth.previous_public_key_files = []"));
}
