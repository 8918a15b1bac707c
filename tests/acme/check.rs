//! `confab check` says what is wrong with the table.

use std::fs;

use super::support::daemon::confab;

/// What it says of this configuration, and its exit status.
fn check(toml: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("confab.toml");
    fs::write(&file, toml).unwrap();
    let mut command = confab();
    command.args(["check", "--config"]).arg(&file).env("CONFAB_STORE__PATH", folder.path());
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn what_is_wrong_is_told_at_its_key() {
    let good = "[server.tls.acme]\naccept_terms = true\ndomains = [\"chat.example.test\"]\n";
    let (status, said) = check(good);
    assert_eq!((status, said.contains("warning")), (Some(0), false), "{said}");
    let name = "domains = [\"a.example\"]\n";
    for (toml, line, hint) in [
        (name.to_owned(), 2, "domains need accept_terms = true"),
        (format!("{name}accept_terms = false\n"), 3, "terms of service"),
        ("accept_terms = true\n".to_owned(), 2, "accept_terms is of no use without domains"),
        ("domains = [\"*.example.org\"]\n".to_owned(), 2, "list them"),
        ("domains = [\"127.0.0.1\"]\n".to_owned(), 2, "is not a name"),
        (format!("{name}contact = \"mailto:a@example.org\"\n"), 3, "is not an e-mail address"),
        (format!("{name}directory = \"http://a.example/dir\"\n"), 3, "is not the https:// address"),
        (format!("{name}renew_percent = 100\n"), 3, "must be from 5 to 90"),
        (format!("{name}folder = \"\"\n"), 3, "the path is empty"),
        (
            format!("{name}backoff = \"2h\"\n"),
            3,
            "backoff (2h) must not be longer than max_backoff",
        ),
        (format!("{name}accept_terms = true\nroot_file = \"/nowhere\"\n"), 4, "/nowhere: "),
        (format!("{name}domain = 1\n"), 3, "domains"),
    ] {
        let (status, said) = check(&format!("[server.tls.acme]\n{toml}"));
        assert_eq!(status, Some(78), "{toml}: {said}");
        assert!(said.contains(hint), "{hint}: {said}");
        assert!(said.contains(&format!("confab.toml:{line}:")), "{toml}: {said}");
    }
    let both = format!("[server.tls]\ncertificate_file = \"/x\"\nkey_file = \"/y\"\n{good}");
    let (status, said) = check(&both);
    assert_eq!(status, Some(78));
    for key in ["certificate_file", "key_file"] {
        let hint = format!("{key} and server.tls.acme.domains exclude each other");
        assert!(said.contains(&hint), "{said}");
    }
}

#[test]
fn a_kept_certificate_that_is_no_good_is_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let own = folder.path().join("a.example-dir-");
    fs::create_dir(&own).unwrap();
    fs::write(own.join("certificate.pem"), "nonsense").unwrap();
    let toml = format!(
        "[server.tls.acme]\ndomains = [\"b.example\"]\naccept_terms = true\n\
         directory = \"https://a.example/dir\"\nfolder = \"{}\"\n",
        folder.path().display()
    );
    let (status, said) = check(&toml);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("holds no -----BEGIN CERTIFICATE-----"), "{said}");
    assert!(said.contains("the daemon gets a new certificate"), "{said}");
}
