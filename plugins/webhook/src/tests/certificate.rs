//! A certificate for 127.0.0.1, made for one test.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

const SEQUENCE: u8 = 0x30;
const ECDSA_WITH_SHA256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const EC_PUBLIC_KEY: &[u8] = &[0x06, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x06, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const COMMON_NAME: &[u8] = &[0x06, 3, 0x55, 4, 3];
const SUBJECT_ALT_NAME: &[u8] = &[0x06, 3, 0x55, 0x1d, 0x11];

/// A new key, and a certificate (RFC 5280) that it signed itself, good until the end of 9999.
pub fn certificate() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let random = SystemRandom::new();
    let algorithm = &ECDSA_P256_SHA256_ASN1_SIGNING;
    let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref()).unwrap();

    let signature_algorithm = der(SEQUENCE, &[ECDSA_WITH_SHA256]);
    let common_name = der(SEQUENCE, &[COMMON_NAME, &der(0x0c, &[b"service"])]);
    let name = der(SEQUENCE, &[&der(0x31, &[&common_name])]);
    let validity =
        der(SEQUENCE, &[&der(0x17, &[b"200101000000Z"]), &der(0x18, &[b"99991231235959Z"])]);
    let public_key = der(
        SEQUENCE,
        &[&der(SEQUENCE, &[EC_PUBLIC_KEY, P256]), &der(0x03, &[&[0], pair.public_key().as_ref()])],
    );
    let addresses = der(SEQUENCE, &[&der(0x87, &[&[127, 0, 0, 1]])]);
    let extension = der(SEQUENCE, &[SUBJECT_ALT_NAME, &der(0x04, &[&addresses])]);
    let to_be_signed = der(
        SEQUENCE,
        &[
            &der(0xa0, &[&der(0x02, &[&[2]])]),
            &der(0x02, &[&[1]]),
            &signature_algorithm,
            &name,
            &validity,
            &name,
            &public_key,
            &der(0xa3, &[&der(SEQUENCE, &[&extension])]),
        ],
    );
    let signature = pair.sign(&random, &to_be_signed).unwrap();
    let signature = der(0x03, &[&[0], signature.as_ref()]);
    let certificate = der(SEQUENCE, &[&to_be_signed, &signature_algorithm, &signature]);
    (certificate.into(), PrivateKeyDer::try_from(key.as_ref().to_vec()).unwrap())
}

/// The certificate as a file has it.
pub fn pem(certificate: &CertificateDer<'_>) -> String {
    let text = STANDARD.encode(certificate);
    format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
}

/// A value of type `tag` that consists of `parts`.
fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut value = vec![tag];
    match content.len() {
        short @ ..0x80 => value.push(short.try_into().unwrap()),
        medium @ ..0x100 => value.extend([0x81, medium.try_into().unwrap()]),
        long => {
            value.push(0x82);
            value.extend(u16::try_from(long).unwrap().to_be_bytes());
        }
    }
    value.extend(content);
    value
}
