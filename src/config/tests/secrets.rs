//! Secrets are never shown, and weak or missing ones are refused.

use super::support::Setup;

#[test]
fn secrets_are_not_shown() {
    let secret = "hunter2hunter2";
    for text in [
        format!("[auth]\nsecret_key = \"{secret}\""),
        format!("[auth]\nsecret_kye = \"{secret}\""),
        format!("[auth]\nsceret = \"{secret}\""),
        format!("[auth]\npw = \"{secret}\""),
        format!("SECRET_KEY = \"{secret}\""),
        format!("auth = {{ secret_key = \"{secret}\", algorithm = 5 }}"),
        format!("auth = {{ algorithm = 5, secret_key = \"{secret}\" }}"),
        format!("[auth]\nsecret_key = \"{secret}"),
        format!("[auth]\nsecret_key = {secret}"),
        format!("[auth]\nsecret_key: {secret}"),
        format!("[auth]\nsecret_key = \"\"\"\n{secret}"),
        format!("[auth]\nsecret_key = \"\"\"\n{secret}\"\"\" x"),
        format!("[auth]\nsecret_key = \"a\"\nsecret_key = \"{secret}\""),
        format!("[auth]\nsecret_key = [\"{secret}\"]"),
        format!("[auth.secret_key]\nx = \"{secret}\""),
        format!("[auth]\nsecret_key_file = \"x\"\nsecret_key = \"{secret}\""),
        format!("[[plugins]]\nuse = 'filter'\n[plugins.options]\napi_token = \"{secret}\""),
    ] {
        let errors = Setup::file(&text).load().expect_err(&text);
        for shown in [errors.to_string(), errors.render(true), format!("{errors:?}")] {
            assert!(!shown.contains("hunter2"), "{text}:\n{shown}");
        }
    }
    let errors = Setup::empty().variable("SECRET_KEY", secret).errors();
    assert!(errors.contains("--> variable SECRET_KEY") && !errors.contains(secret), "{errors}");
    assert!(errors.contains("openssl rand -base64 48"));
}

#[test]
fn secret_keys_that_cannot_be_had() {
    let both = Setup::empty().variable("SECRET_KEY", "x").variable("SECRET_KEY_FILE", "/x");
    assert!(both.errors().contains("both auth.secret_key and auth.secret_key_file"));
    let both = Setup::file("auth = { secret_key = 'x', secret_key_file = '/x' }");
    assert!(both.errors().contains("confab.toml:1:28"));
    let empty = Setup::empty().variable("SECRET_KEY", "");
    assert!(empty.errors().contains("the secret key is empty"));

    let said = |contents: &[u8]| {
        let setup = Setup::empty().and("key", contents);
        let path = setup.path("key").display().to_string();
        setup.variable("SECRET_KEY_FILE", &path).errors()
    };
    assert!(said(b"\n").contains("it is empty"));
    assert!(said(b"short\n").contains("the secret key has 5 bytes"));
    assert!(said(&[b'x'; 65 * 1024]).contains("it is larger than 64 KiB"));
    assert!(said(&[0xff; 48]).contains("it is not text"));
    let missing = Setup::file("auth.secret_key_file = \"/nowhere/key\"").errors();
    assert!(missing.contains("cannot read the secret key from /nowhere/key"), "{missing}");
    assert!(missing.contains("confab.toml:1:24"), "{missing}");
}

#[test]
fn key_files_are_read_where_they_are_needed() {
    let with = |private: &str| {
        let setup = Setup::empty()
            .and("private.pem", private)
            .and("public.pem", "-----BEGIN PUBLIC KEY-----\n");
        let path = |name| setup.path(name).display().to_string();
        let (private, public) = (path("private.pem"), path("public.pem"));
        setup
            .variable("ALGORITHM", "EdDSA")
            .variable("CONFAB_AUTH__PRIVATE_KEY_FILE", &private)
            .variable("CONFAB_AUTH__PUBLIC_KEY_FILE", &public)
    };
    with("-----BEGIN PRIVATE KEY-----\n").load().unwrap();
    let errors = with("hunter2").errors();
    assert!(errors.contains("it is not a PEM file"), "{errors}");
    assert!(errors.contains(" --> variable CONFAB_AUTH__PRIVATE_KEY_FILE\n"));
    assert!(!errors.contains("hunter2"));
    let missing = Setup::file(
        "auth = { algorithm = 'RS256', private_key_file = '/no/a', public_key_file = '/no/b' }",
    );
    assert_eq!(missing.messages().len(), 2);
}
