//! A certificate and its key, from two PEM files.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use rustls::{
    Error, InconsistentKeys,
    client::verify_server_name,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::ParsedCertificate,
    sign::CertifiedKey,
};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::validity::Validity;

/// A file is not larger than this, in bytes: a chain of certificates is some KiB.
const MAX_FILE: u64 = 256 * 1024;

/// Where the pair is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Files {
    /// The certificate, and those that lead from it to a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A certificate and its key. Invariant: they belong together.
#[derive(Clone, Debug)]
pub struct Pair {
    pub(super) certified: Arc<CertifiedKey>,
    validity: Validity,
    digest: [u8; 32],
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.digest == other.digest
    }
}

/// Why there is no pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bad {
    /// It is the certificate's file.
    Certificate(String),
    /// It is the key's file.
    Key(String),
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate(why) | Self::Key(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for Bad {}

impl Pair {
    /// Reads and checks both files: not for an async thread.
    ///
    /// # Errors
    /// What is wrong, with the file. A certificate that has expired is not: see
    /// [`expired`](Self::expired).
    pub fn read(files: &Files) -> Result<Self, Bad> {
        let Files { certificate: chain_file, key: key_file } = files;
        let wrong = |why: &str| Bad::Certificate(format!("{} {why}", chain_file.display()));
        let wrong_key = |why: &str| Bad::Key(format!("{} {why}", key_file.display()));
        let text = read_bounded(chain_file);
        let text = text.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let key_text = read_bounded(key_file).map(Zeroizing::new);
        let key_text = key_text.map_err(|error| wrong_key(&format!("cannot be read: {error}")))?;
        Self::of(files, &text, &key_text)
    }

    /// Checks what both files hold, or will: one text may be both.
    ///
    /// # Errors
    /// As of [`read`](Self::read).
    pub(super) fn of(files: &Files, text: &[u8], key_text: &[u8]) -> Result<Self, Bad> {
        let Files { certificate: chain_file, key: key_file } = files;
        let wrong = |why: &str| Bad::Certificate(format!("{} {why}", chain_file.display()));
        let wrong_key = |why: &str| Bad::Key(format!("{} {why}", key_file.display()));
        let chain: Vec<_> = CertificateDer::pem_slice_iter(text)
            .collect::<Result<_, _>>()
            .map_err(|error| wrong(&format!("is not good PEM: {error}")))?;
        let first = chain.first();
        let first = first.ok_or_else(|| wrong("holds no -----BEGIN CERTIFICATE----- (PEM)"))?;
        let no_certificate = || wrong("holds no good certificate (X.509)");
        let validity = Validity::of(first).ok_or_else(no_certificate)?;
        let key = PrivateKeyDer::from_pem_slice(key_text).map_err(|_| {
            wrong_key("holds no private key in PEM (PKCS#8, PKCS#1 or SEC1) without a passphrase")
        })?;
        let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider());
        let certified = certified.map_err(|error| match error {
            Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                let file = chain_file.display();
                wrong_key(&format!("is not the key of the first certificate in {file}"))
            }
            Error::InvalidCertificate(_) => no_certificate(),
            _ => wrong_key("holds a key that TLS has no use for: take ECDSA, RSA or Ed25519"),
        })?;
        let digest = digest(text, key_text);
        Ok(Self { certified: Arc::new(certified), validity, digest })
    }

    /// Until when the certificate is good, in seconds since 1970.
    pub fn not_after(&self) -> i64 {
        self.validity.not_after
    }

    /// From when on the certificate is good, in seconds since 1970.
    pub(super) fn not_before(&self) -> i64 {
        self.validity.not_before
    }

    /// Whether the certificate is for this name.
    pub(super) fn covers(&self, domain: &str) -> bool {
        let Some(certificate) = self.certified.cert.first() else { return false };
        let Ok(certificate) = ParsedCertificate::try_from(certificate) else { return false };
        let name = ServerName::try_from(domain);
        name.is_ok_and(|name| verify_server_name(&certificate, &name).is_ok())
    }

    /// What clients will hold against the certificate now: that it has expired, or is not good
    /// yet. The end of a sentence that begins with it.
    pub fn expired(&self) -> Option<String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        if now > self.validity.not_after {
            return Some(format!("expired on {}", date(self.validity.not_after)));
        }
        (now < self.validity.not_before)
            .then(|| format!("is good from {} on", date(self.validity.not_before)))
    }
}

/// Tells one pair from another.
fn digest(certificate: &[u8], key: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((certificate.len() as u64).to_be_bytes());
    hash.update(certificate);
    hash.update(key);
    hash.finalize().into()
}

/// A moment in words.
pub(super) fn date(seconds: i64) -> String {
    let format = time::macros::format_description!("[year]-[month]-[day] [hour]:[minute] UTC");
    let moment = time::OffsetDateTime::from_unix_timestamp(seconds).ok();
    moment.and_then(|moment| moment.format(format).ok()).unwrap_or_else(|| seconds.to_string())
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    use io::Read as _;
    let file = std::fs::File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {} KiB", MAX_FILE / 1024)));
    }
    Ok(bytes)
}
