//! The keys that sign and verify tokens: a secret, or a pair of PEM files.

use std::{
    fmt,
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use jsonwebtoken::{DecodingKey, EncodingKey, crypto, errors::Result as JwtResult};
use zeroize::Zeroizing;

use crate::config::{Algorithm, Auth, Secret};

/// The fewest bytes of a secret key: the size of the hash of HS256 (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// A PEM file is not larger than this.
const MAX_PEM_BYTES: u64 = 64 * 1024;

/// The keys of the configured algorithm. Invariant: what they sign, they verify; loading has
/// tried it.
pub struct Keys {
    algorithm: jsonwebtoken::Algorithm,
    name: &'static str,
    signing: EncodingKey,
    verifying: DecodingKey,
}

/// Why there are no keys to work with, and what to do about it.
#[derive(Debug)]
pub enum KeyError {
    /// The algorithm needs a secret key, and none is configured.
    MissingSecret,
    /// The secret key has only so many bytes.
    ShortSecret(usize),
    /// The algorithm needs a key file that is not configured.
    MissingFile {
        /// The configuration key.
        key: &'static str,
        /// The algorithm.
        algorithm: &'static str,
    },
    /// A file cannot be read or made.
    Io {
        /// What the file holds: a configuration key, or "the secret key".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file does not hold what it should.
    File {
        /// What the file holds: a configuration key, or "the secret key".
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong, and what to do.
        why: String,
    },
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KeyError::MissingSecret => f.write_str(
                "no secret key: set the variable SECRET_KEY or auth.secret_key_file; \
                 make a key with: openssl rand -base64 48",
            ),
            KeyError::ShortSecret(bytes) => write!(
                f,
                "the secret key has {bytes} bytes, fewer than {MIN_SECRET_BYTES}; \
                 make a key with: openssl rand -base64 48",
            ),
            KeyError::MissingFile { key, algorithm } => {
                write!(f, "auth.algorithm = \"{algorithm}\" needs {key}")
            }
            KeyError::Io { what, path, source } => {
                write!(f, "{what}, {}: {source}", path.display())
            }
            KeyError::File { what, path, why } => write!(f, "{what}, {}: {why}", path.display()),
        }
    }
}

impl std::error::Error for KeyError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            KeyError::Io { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Reads a key from PEM.
type Reader<K> = fn(&[u8]) -> JwtResult<K>;

/// A kind of key pair, and how the library reads it.
struct Kind {
    name: &'static str,
    private: Reader<EncodingKey>,
    public: Reader<DecodingKey>,
}

const RSA: Kind =
    Kind { name: "RSA", private: EncodingKey::from_rsa_pem, public: DecodingKey::from_rsa_pem };
const EC: Kind =
    Kind { name: "EC", private: EncodingKey::from_ec_pem, public: DecodingKey::from_ec_pem };
const ED25519: Kind =
    Kind { name: "Ed25519", private: EncodingKey::from_ed_pem, public: DecodingKey::from_ed_pem };

impl Keys {
    /// The keys that `[auth]` names. Reads files: not for an async thread.
    ///
    /// When the algorithm needs a secret key and `auth.secret_key` holds none, `otherwise` is
    /// asked for it: [`secret_key_beside`](super::secret_key_beside) for the embedded store, or
    /// [`KeyError::MissingSecret`].
    ///
    /// # Errors
    /// What is missing or wrong, in which file, and what to do.
    pub fn load(
        auth: &Auth,
        otherwise: impl FnOnce() -> Result<Secret, KeyError>,
    ) -> Result<Self, KeyError> {
        use jsonwebtoken::Algorithm as Jwt;
        match auth.algorithm {
            Algorithm::HS256 => Self::shared(Jwt::HS256, "HS256", auth, otherwise),
            Algorithm::HS384 => Self::shared(Jwt::HS384, "HS384", auth, otherwise),
            Algorithm::HS512 => Self::shared(Jwt::HS512, "HS512", auth, otherwise),
            Algorithm::RS256 => Self::pair(Jwt::RS256, "RS256", &RSA, auth),
            Algorithm::ES256 => Self::pair(Jwt::ES256, "ES256", &EC, auth),
            Algorithm::EdDSA => Self::pair(Jwt::EdDSA, "EdDSA", &ED25519, auth),
        }
    }

    fn shared(
        algorithm: jsonwebtoken::Algorithm,
        name: &'static str,
        auth: &Auth,
        otherwise: impl FnOnce() -> Result<Secret, KeyError>,
    ) -> Result<Self, KeyError> {
        let secret = auth.secret_key.clone().map_or_else(otherwise, Ok)?;
        let bytes = secret.expose().as_bytes();
        if bytes.len() < MIN_SECRET_BYTES {
            return Err(KeyError::ShortSecret(bytes.len()));
        }
        Ok(Self {
            algorithm,
            name,
            signing: EncodingKey::from_secret(bytes),
            verifying: DecodingKey::from_secret(bytes),
        })
    }

    fn pair(
        algorithm: jsonwebtoken::Algorithm,
        name: &'static str,
        kind: &Kind,
        auth: &Auth,
    ) -> Result<Self, KeyError> {
        let private =
            PemFile::open("auth.private_key_file", auth.private_key_file.as_deref(), name)?;
        let public = PemFile::open("auth.public_key_file", auth.public_key_file.as_deref(), name)?;
        let path = private.path.display();
        private.expect_label(
            "PRIVATE KEY",
            format_args!("openssl pkcs8 -topk8 -nocrypt -in {path} -out NEW"),
        )?;
        public
            .expect_label("PUBLIC KEY", format_args!("openssl pkey -in {path} -pubout -out NEW"))?;
        let keys = Self {
            algorithm,
            name,
            signing: private.read(kind, name, |kind| kind.private)?,
            verifying: public.read(kind, name, |kind| kind.public)?,
        };
        let Ok(signature) = keys.sign(b"confab") else {
            return Err(private.wrong(match algorithm {
                jsonwebtoken::Algorithm::RS256 => {
                    "is damaged, or has fewer than 2048 bits or more than 8192; make one with: \
                     openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out NEW"
                }
                jsonwebtoken::Algorithm::ES256 => {
                    "is damaged, or not on the curve P-256; make one with: \
                     openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out NEW"
                }
                _ => "is damaged; make one with: openssl genpkey -algorithm ed25519 -out NEW",
            }));
        };
        if !keys.verify(b"confab", &signature) {
            return Err(public.wrong(format!(
                "does not belong to the private key; make it anew with: \
                 openssl pkey -in {path} -pubout -out {}",
                public.path.display()
            )));
        }
        Ok(keys)
    }

    /// The algorithm's name as in a token's header.
    pub fn algorithm(&self) -> &'static str {
        self.name
    }

    /// The signature of `message`, in base64url.
    pub(super) fn sign(&self, message: &[u8]) -> JwtResult<String> {
        crypto::sign(message, &self.signing, self.algorithm)
    }

    /// Whether `signature` (base64url) is that of `message`. HMACs are compared in constant
    /// time by the library.
    pub(super) fn verify(&self, message: &[u8], signature: &str) -> bool {
        crypto::verify(signature, message, &self.verifying, self.algorithm).unwrap_or(false)
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({})", self.name)
    }
}

/// A PEM file that was read.
struct PemFile<'a> {
    key: &'static str,
    path: &'a Path,
    text: Zeroizing<Vec<u8>>,
}

impl<'a> PemFile<'a> {
    fn open(
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

    fn wrong(&self, why: impl Into<String>) -> KeyError {
        KeyError::File { what: self.key, path: self.path.to_owned(), why: why.into() }
    }

    /// Refuses other kinds of PEM, which the library would take or explain badly.
    fn expect_label(&self, wanted: &str, convert: fmt::Arguments<'_>) -> Result<(), KeyError> {
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

    fn read<K>(
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
