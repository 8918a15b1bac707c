//! `confab check` says what is wrong with a certificate before clients do.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use super::support::{certificates::Authority, daemon::confab};

/// What it says of a configuration with these two files, and its exit status.
fn check(certificate: Option<&Path>, key: Option<&Path>) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("confab.toml");
    let mut toml = "[server.tls]\n".to_owned();
    for (name, path) in [("certificate_file", certificate), ("key_file", key)] {
        if let Some(path) = path {
            toml += &format!("{name} = \"{}\"\n", path.display());
        }
    }
    fs::write(&file, toml).unwrap();
    let output = confab().args(["check", "--config"]).arg(&file).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

#[test]
fn a_bad_pair_is_told_of_at_its_key() {
    let authority = Authority::new();
    let (good, other) = (authority.issue("good", 30), authority.issue("other", 30));
    let folder = tempfile::tempdir().unwrap();
    let nonsense = folder.path().join("nonsense");
    fs::write(&nonsense, "nonsense").unwrap();
    let (certificate, key) = (Some(good.certificate.as_path()), Some(good.key.as_path()));
    assert_eq!(check(certificate, key).0, Some(0));

    let locked = folder.path().join("locked.key");
    let pem = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    fs::write(&locked, pem).unwrap();
    let broken = folder.path().join("broken.pem");
    fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    let missing = folder.path().join("missing");
    for (certificate, key, line, hint) in [
        (certificate, Some(other.key.as_path()), 3, "is not the key of the first certificate"),
        (certificate, Some(nonsense.as_path()), 3, "holds no private key in PEM"),
        (certificate, Some(locked.as_path()), 3, "without a passphrase"),
        (certificate, Some(missing.as_path()), 3, "cannot be read: No such file"),
        (certificate, certificate, 3, "holds no private key in PEM"),
        (Some(nonsense.as_path()), key, 2, "holds no -----BEGIN CERTIFICATE-----"),
        (Some(broken.as_path()), key, 2, "holds no good certificate"),
        (key, key, 2, "holds no -----BEGIN CERTIFICATE-----"),
        (Some(folder.path()), key, 2, "cannot be read: it is not a file"),
        (certificate, None, 2, "certificate_file is of no use without key_file"),
        (None, key, 2, "key_file is of no use without certificate_file"),
    ] {
        let (status, said) = check(certificate, key);
        assert_eq!(status, Some(78), "{said}");
        assert!(said.contains(hint), "{hint}: {said}");
        assert!(said.contains(&format!("confab.toml:{line}:")), "{said}");
        assert!(!said.contains("PRIVATE KEY-----\nMI"), "{said}");
    }
}

#[test]
fn what_clients_or_neighbours_will_notice_is_a_warning() {
    let authority = Authority::new();
    let old = authority.issue("old", -1);
    let (status, said) = check(Some(&old.certificate), Some(&old.key));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("the certificate expired on 20"), "{said}");
    let good = authority.issue("good", 30);
    fs::set_permissions(&good.key, fs::Permissions::from_mode(0o644)).unwrap();
    let (status, said) = check(Some(&good.certificate), Some(&good.key));
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("everybody on this machine can read the private key"), "{said}");
    fs::set_permissions(&good.key, fs::Permissions::from_mode(0o640)).unwrap();
    let said = check(Some(&good.certificate), Some(&good.key)).1;
    assert!(said.starts_with("ok:") && !said.contains("warning"), "{said}");
}
