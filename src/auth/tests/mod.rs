//! What the tests of this module share: a configuration that hashes quickly, a clock that
//! stands still, forged tokens and key files.

mod accounts;
mod keys;
mod passwords;
mod refresh;
mod rotation;
mod secret_key;
mod store;
mod token_attacks;
mod token_properties;
mod tokens;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::{
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair,
    },
};
use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use confab_plugin::ByteSize;
use tempfile::TempDir;

use super::*;
use crate::{
    config::{Algorithm, Auth, Secret},
    store::Timestamp,
};

const SECRET: &str = "a secret that only the tests of this module know";

/// The second at which the clock of the tests stands: 2026-11-22.
const NOW: u64 = 1_795_300_000;

fn quick() -> Auth {
    Auth {
        secret_key: Some(secret(SECRET)),
        argon2_memory: ByteSize::kib(64),
        argon2_iterations: 1,
        hash_concurrency: 2,
        ..Auth::default()
    }
}

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn at(second: u64) -> Clock {
    Arc::new(move || Timestamp(i64::try_from(second * 1000).unwrap()))
}

fn load(auth: &Auth) -> Result<Keys, KeyError> {
    Keys::load(auth, || Err(KeyError::MissingSecret))
}

fn tokens(auth: &Auth) -> Tokens {
    Tokens::with_clock(auth, load(auth).unwrap(), at(NOW))
}

/// A token with any header and claims, rightly signed.
fn forge(keys: &Keys, header: &str, claims: &str) -> String {
    let message = format!("{}.{}", part(header), part(claims));
    let signature = keys.sign(message.as_bytes()).unwrap();
    format!("{message}.{signature}")
}

fn part(json: &str) -> String {
    URL_SAFE_NO_PAD.encode(json)
}

fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> =
        body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A pair of PEM texts: private, public.
type PemPair = (String, String);

fn rsa_pair() -> PemPair {
    let pair = rsa::KeyPair::generate(rsa::KeySize::Rsa2048).unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
}

fn ec_pair_on(curve: &'static EcdsaSigningAlgorithm) -> PemPair {
    let private = EcdsaKeyPair::generate_pkcs8(curve, &SystemRandom::new()).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(curve, private.as_ref()).unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
}

fn ec_pair() -> PemPair {
    ec_pair_on(&ECDSA_P256_SHA256_FIXED_SIGNING)
}

fn p384_pair() -> PemPair {
    ec_pair_on(&ECDSA_P384_SHA384_FIXED_SIGNING)
}

fn ed25519_pair() -> PemPair {
    let pair = Ed25519KeyPair::generate().unwrap();
    let private: Pkcs8V1Der<'_> = pair.as_der().unwrap();
    let public: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    (pem("PRIVATE KEY", private.as_ref()), pem("PUBLIC KEY", public.as_ref()))
}

fn pair_for(algorithm: Algorithm) -> PemPair {
    match algorithm {
        Algorithm::RS256 => rsa_pair(),
        Algorithm::ES256 => ec_pair(),
        _ => ed25519_pair(),
    }
}

/// A configuration whose keys are in two files of `folder`.
fn with_files(folder: &TempDir, algorithm: Algorithm, (private, public): &PemPair) -> Auth {
    let file = |name: &str, text: &str| -> PathBuf {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    Auth {
        algorithm,
        secret_key: None,
        private_key_file: Some(file("private.pem", private)),
        public_key_file: Some(file("public.pem", public)),
        ..quick()
    }
}

fn entries(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
