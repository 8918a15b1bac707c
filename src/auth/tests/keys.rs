//! Keys: what is wrong with a file is said, with the file's name and what to do.

use super::*;

/// An RSA key of 1024 bits, made for this test, in PKCS#8 and SPKI.
const SMALL_RSA: (&str, &str) = (
    "\
     MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAM9hBb1ST+eqZ7qISrylG1DKaEENVbkXNVDxsM77\
     0Q8WwxZYTL0n0g7SYAWN3zjhDYcrgoxv8D+U+y1xjsDh9BV12BsKbCth6AAOAXX29Eb9H/Wx2NEJBHHSFYwaL8U0\
     cE86RsK4baqjVi08+YZzrNbRGdKYpdyCAKzgPKnWBoapAgMBAAECgYAs+wdqrBrmzeBX5k4HouxM1spMKd9JGU6Y\
     MwQ9sQMEedRw2VAzyxpV2q23JrGfPblYc0iKu5DpyZ+9mJ71GU1+oiyoVMfr0K72QygJErLQx24ZPNAxGtNFk8eS\
     /MXoCsQoQKh4lwWSkLqoswhhSB2X65gC1Lf1942ARIJcS8qxzQJBAOoIAZySDyvHijO9UQEV/ybHSjjHG95kHEuh\
     LGaw3gpuIF+beXpKaZSyhKpCJbFS5834826IRn/HKuKYTn+mfU8CQQDi2IlZGdV161D8WiW9Vu7r9aS9NUJbn1YZ\
     v6gAaijnQ1b7XFRdDnYEQxFWfgf7sdXsD1dYKzBECiWfJ5xm1e6HAkBhfNxPAHjZX9GuI9qufR9AZBwC8s4lIca3\
     qnf4fwy/g4hwyy8bRgwdKRAibFOPPl3Zay7ciF/1sl2m7pMkkZH5AkEAjGKRbXDNZ7J/Zgyr+mcIaUKV9vo03NrY\
     wAqZ/9ezBJvqApj7JLPEWZLf8fUBH8TIrNQ5q7jen9zft4UeB44xlQJBANNAoDe8E8aQMmFjdHChZo65c+tz9IWY\
     o4r4NF7atIHIRzAg7jXpB3XI1oQVmdnlDISsS3h5lurdiCcPSoVGltQ=",
    "\
     MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDPYQW9Uk/nqme6iEq8pRtQymhBDVW5FzVQ8bDO+9EPFsMWWEy9\
     J9IO0mAFjd844Q2HK4KMb/A/lPstcY7A4fQVddgbCmwrYegADgF19vRG/R/1sdjRCQRx0hWMGi/FNHBPOkbCuG2q\
     o1YtPPmGc6zW0RnSmKXcggCs4Dyp1gaGqQIDAQAB",
);

fn small_rsa_pair() -> PemPair {
    let der = |text: &str| STANDARD.decode(text).unwrap();
    (pem("PRIVATE KEY", &der(SMALL_RSA.0)), pem("PUBLIC KEY", &der(SMALL_RSA.1)))
}

fn refusal(auth: &Auth) -> String {
    load(auth).unwrap_err().to_string()
}

#[test]
fn a_secret_is_configured_or_asked_for() {
    let configured = Keys::load(&quick(), || panic!("asked for a second secret"));
    assert_eq!(configured.unwrap().algorithm(), "HS256");

    let bare = Auth { secret_key: None, ..quick() };
    let asked = Keys::load(&bare, || Ok(secret(SECRET))).unwrap();
    let signature = asked.sign(b"text").unwrap();
    assert!(load(&quick()).unwrap().verify(b"text", &signature, None).is_some());

    let missing = refusal(&bare);
    assert!(missing.contains("SECRET_KEY") && missing.contains("openssl rand"));

    for (bytes, good) in [(0, false), (31, false), (32, true)] {
        let auth = Auth { secret_key: Some(secret(&"k".repeat(bytes))), ..quick() };
        match load(&auth) {
            Ok(_) => assert!(good, "{bytes}"),
            Err(error) => {
                assert!(!good, "{bytes}");
                let text = error.to_string();
                assert!(text.contains(&format!("has {bytes} bytes")), "{text}");
            }
        }
    }
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut auth = with_files(&folder, Algorithm::EdDSA, &ed25519_pair());
    let private = auth.private_key_file.take();
    assert_eq!(refusal(&auth), "auth.algorithm = \"EdDSA\" needs auth.private_key_file");
    auth.private_key_file = private;
    auth.public_key_file = None;
    assert_eq!(refusal(&auth), "auth.algorithm = \"EdDSA\" needs auth.public_key_file");
    auth.public_key_file = Some(folder.path().join("nowhere.pem"));
    let text = refusal(&auth);
    assert!(
        text.starts_with("auth.public_key_file, ") && text.contains("nowhere.pem: No such file")
    );
    auth.public_key_file = Some(folder.path().to_owned());
    assert!(refusal(&auth).contains("directory"));
}

#[test]
fn a_key_of_another_kind_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let pairs = [
        (Algorithm::RS256, "RSA", rsa_pair()),
        (Algorithm::ES256, "EC", ec_pair()),
        (Algorithm::EdDSA, "Ed25519", ed25519_pair()),
    ];
    for (algorithm, needed, own) in &pairs {
        for (other, found, pair) in &pairs {
            let auth = with_files(&folder, *algorithm, pair);
            if algorithm == other {
                assert_eq!(load(&auth).unwrap().algorithm(), format!("{algorithm:?}"));
                continue;
            }
            let text = refusal(&auth);
            let wanted = format!(
                "holds a key of kind {found}; auth.algorithm = \"{algorithm:?}\" needs {needed}"
            );
            assert!(text.ends_with(&wanted) && text.contains("private.pem"), "{text}");
            let mixed = with_files(&folder, *algorithm, &(own.0.clone(), pair.1.clone()));
            let text = refusal(&mixed);
            assert!(text.ends_with(&wanted) && text.contains("public.pem"), "{text}");
        }
    }
}

#[test]
fn keys_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let mixed = (pair_for(algorithm).0, pair_for(algorithm).1);
        let text = refusal(&with_files(&folder, algorithm, &mixed));
        assert!(text.contains("public.pem: does not belong"), "{text}");
        assert!(text.contains("openssl pkey -in"), "{text}");
    }
}

#[test]
fn weak_and_foreign_keys_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let text = refusal(&with_files(&folder, Algorithm::RS256, &small_rsa_pair()));
    assert!(text.contains("private.pem") && text.contains("fewer than 2048 bits"), "{text}");
    let text = refusal(&with_files(&folder, Algorithm::ES256, &p384_pair()));
    assert!(text.contains("private.pem") && text.contains("not on the curve P-256"), "{text}");
}

#[test]
fn other_pem_files_are_explained() {
    let folder = tempfile::tempdir().unwrap();
    let good = ec_pair();
    let relabelled = |label: &str| good.0.replace("PRIVATE KEY", label);
    for (private, said) in [
        (good.1.clone(), "holds \"PUBLIC KEY\" where \"PRIVATE KEY\" is needed"),
        (relabelled("EC PRIVATE KEY"), "openssl pkcs8 -topk8 -nocrypt -in"),
        (relabelled("ENCRYPTED PRIVATE KEY"), "holds \"ENCRYPTED PRIVATE KEY\""),
        (relabelled("CERTIFICATE\u{1b}[2J"), "holds \"CERTIFICATE\\u{1b}[2J\""),
        (String::new(), "is not a PEM file"),
        ("-----BEGIN ".into(), "is not a PEM file"),
        ("\u{0}".repeat(100_000), "is not a PEM file"),
        (pem("PRIVATE KEY", b"rubbish"), "is damaged, or not a key of kind EC"),
        (pem("PRIVATE KEY", &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff]), "is damaged"),
        (pem("PRIVATE KEY", &[]), "is damaged"),
        (good.0.replace("-----END", "-----END OF"), "is damaged"),
    ] {
        let auth = with_files(&folder, Algorithm::ES256, &(private, good.1.clone()));
        let text = refusal(&auth);
        assert!(text.contains("private.pem: ") && text.contains(said), "{text}");
    }
    let swapped = with_files(&folder, Algorithm::ES256, &(good.0.clone(), good.0));
    let text = refusal(&swapped);
    assert!(text.contains("public.pem: holds \"PRIVATE KEY\""), "{text}");
    assert!(text.contains("-pubout"), "{text}");
}
