//! PEM files of keys: which kind they hold, and what is wrong with them.

use std::{fmt, fs::File, io::Read, path::Path};

use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{DecodingKey, EncodingKey, errors::Result as JwtResult};
use zeroize::Zeroizing;

use super::keys::KeyError;

/// A PEM file is not larger than this.
const MAX_PEM_BYTES: u64 = 64 * 1024;

/// Reads a key from PEM.
pub(super) type Reader<K> = fn(&[u8]) -> JwtResult<K>;

/// A kind of key pair, and how the library reads it.
pub(super) struct Kind {
    pub name: &'static str,
    pub private: Reader<EncodingKey>,
    pub public: Reader<DecodingKey>,
}

pub(super) const RSA: Kind =
    Kind { name: "RSA", private: EncodingKey::from_rsa_pem, public: DecodingKey::from_rsa_pem };
pub(super) const EC: Kind =
    Kind { name: "EC", private: EncodingKey::from_ec_pem, public: DecodingKey::from_ec_pem };
pub(super) const ED25519: Kind =
    Kind { name: "Ed25519", private: EncodingKey::from_ed_pem, public: DecodingKey::from_ed_pem };

/// A PEM file that was read.
pub(super) struct PemFile<'a> {
    key: &'static str,
    pub path: &'a Path,
    text: Zeroizing<Vec<u8>>,
}

impl<'a> PemFile<'a> {
    pub fn open(
        key: &'static str,
        path: Option<&'a Path>,
        algorithm: &'static str,
    ) -> Result<Self, KeyError> {
        let path = path.ok_or(KeyError::MissingFile { key, algorithm })?;
        let mut text = Zeroizing::new(Vec::new());
        File::open(path)
            .and_then(|file| file.take(MAX_PEM_BYTES).read_to_end(&mut text))
            .map_err(|source| KeyError::Io { what: key, path: path.to_owned(), source })?;
        Ok(Self { key, path, text })
    }

    pub fn wrong(&self, why: impl Into<String>) -> KeyError {
        KeyError::File { what: self.key, path: self.path.to_owned(), why: why.into() }
    }

    /// Refuses other kinds of PEM, which the library would take or explain badly.
    pub fn expect_label(&self, wanted: &str, convert: fmt::Arguments<'_>) -> Result<(), KeyError> {
        let text = String::from_utf8_lossy(&self.text);
        let label = text
            .split_once("-----BEGIN ")
            .and_then(|(_, rest)| rest.split_once("-----"))
            .map(|(label, _)| label);
        match label {
            Some(label) if label == wanted => Ok(()),
            Some(label) => Err(self.wrong(format!(
                "holds {label:?} where {wanted:?} is needed; make that with: {convert}"
            ))),
            None => Err(self.wrong(format!("is not a PEM file with a {wanted:?}"))),
        }
    }

    /// The bytes between the lines that mark the beginning and the end, for comparison only: the
    /// key itself is read by the library.
    pub fn body(&self) -> Vec<u8> {
        let text = String::from_utf8_lossy(&self.text);
        let lines = text.lines().map(str::trim).skip_while(|line| !line.starts_with("-----BEGIN"));
        let body: String = lines.skip(1).take_while(|line| !line.starts_with("-----")).collect();
        STANDARD.decode(&body).unwrap_or_else(|_| body.into_bytes())
    }

    pub fn read<K>(
        &self,
        kind: &Kind,
        algorithm: &str,
        reader: fn(&Kind) -> Reader<K>,
    ) -> Result<K, KeyError> {
        reader(kind)(&self.text).map_err(|_| {
            let found =
                [RSA, EC, ED25519].into_iter().find(|other| reader(other)(&self.text).is_ok());
            self.wrong(match found {
                Some(found) => format!(
                    "holds a key of kind {}; auth.algorithm = \"{algorithm}\" needs {}",
                    found.name, kind.name
                ),
                None => format!("is damaged, or not a key of kind {}", kind.name),
            })
        })
    }
}
