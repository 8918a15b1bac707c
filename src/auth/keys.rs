//! The keys that sign and verify tokens: a secret, or a pair of PEM files; and the previous ones.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{DecodingKey, EncodingKey, crypto, errors::Result as JwtResult};
use sha2::{Digest, Sha256};

use super::{
    pem::{EC, ED25519, Kind, PemFile, RSA},
    secret_key::{previous_keys_beside, secret_key_beside},
};
use crate::config::{Algorithm, Auth, Config, Secret};

/// The fewest bytes of a secret key: the size of the hash of HS256 (RFC 7518, section 3.2).
pub const MIN_SECRET_BYTES: usize = 32;

/// So much of a hash in base64url: 96 bits.
const ID_CHARACTERS: usize = 16;

/// The keys of the configured algorithm: the one that signs, and those of which tokens are accepted
/// beside it. Invariant: what they sign, they verify; loading has tried it.
pub struct Keys {
    algorithm: jsonwebtoken::Algorithm,
    name: &'static str,
    signing: EncodingKey,
    current: Key,
    previous: Vec<Key>,
}

/// A key that verifies.
struct Key {
    /// Its `kid` in the header of tokens: so much of a hash that no two keys share it, and nobody
    /// learns of a secret by it.
    id: String,
    verifying: DecodingKey,
}

/// Which key a token was signed with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignedBy {
    Current,
    Previous,
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

impl KeyError {
    /// The file in which something is wrong.
    pub fn file(&self) -> Option<&Path> {
        match self {
            KeyError::Io { path, .. } | KeyError::File { path, .. } => Some(path),
            _ => None,
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

    /// The keys of an effective configuration: where the embedded store has none configured, those
    /// beside its data. Reads files, and makes a key: not for an async thread.
    ///
    /// # Errors
    /// See [`load`](Self::load).
    pub fn of(config: &Config) -> Result<Self, KeyError> {
        let (auth, data) = (&config.auth, &config.store.path);
        // Every node on MongoDB must have the same key, so none can make one.
        let own = config.store.mongo.uri.is_none() && auth.secret_key.is_none();
        if !auth.algorithm.is_symmetric() || !own {
            return Self::load(auth, || Err(KeyError::MissingSecret));
        }
        let mut auth = auth.clone();
        auth.secret_key = Some(secret_key_beside(data)?);
        auth.previous_secret_keys.extend(previous_keys_beside(data)?);
        Self::load(&auth, || Err(KeyError::MissingSecret))
    }

    fn shared(
        algorithm: jsonwebtoken::Algorithm,
        name: &'static str,
        auth: &Auth,
        otherwise: impl FnOnce() -> Result<Secret, KeyError>,
    ) -> Result<Self, KeyError> {
        let secret = auth.secret_key.clone().map_or_else(otherwise, Ok)?;
        let (current, signing) = shared_key(algorithm, &secret)?;
        let mut keys = Self { algorithm, name, signing, current, previous: Vec::new() };
        for secret in &auth.previous_secret_keys {
            keys.add(shared_key(algorithm, secret)?.0);
        }
        Ok(keys)
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
        let mut keys = Self {
            algorithm,
            name,
            signing: private.read(kind, name, |kind| kind.private)?,
            current: public_key(&public, kind, name, &private)?,
            previous: Vec::new(),
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
        if keys.verify(b"confab", &signature, None) != Some(SignedBy::Current) {
            return Err(public.wrong(format!(
                "does not belong to the private key; make it anew with: \
                 openssl pkey -in {path} -pubout -out {}",
                public.path.display()
            )));
        }
        for file in &auth.previous_public_key_files {
            let public = PemFile::open("auth.previous_public_key_files", Some(file), name)?;
            keys.add(public_key(&public, kind, name, &public)?);
        }
        Ok(keys)
    }

    /// One that is there already is not added: it would be tried twice.
    fn add(&mut self, key: Key) {
        if self.ids().all(|id| id != key.id) {
            self.previous.push(key);
        }
    }

    /// The algorithm's name as in a token's header.
    pub fn algorithm(&self) -> &'static str {
        self.name
    }

    /// The signature of `message`, in base64url.
    pub(super) fn sign(&self, message: &[u8]) -> JwtResult<String> {
        crypto::sign(message, &self.signing, self.algorithm)
    }

    /// The key, if any, of which `signature` (base64url) is that of `message`. Of the key that
    /// `id` names when there is one of that name; otherwise all are tried, for tokens that older
    /// versions or other issuers made do not name one. HMACs are compared in constant time by the
    /// library.
    pub(super) fn verify(
        &self,
        message: &[u8],
        signature: &str,
        id: Option<&str>,
    ) -> Option<SignedBy> {
        let named = id.filter(|id| self.ids().any(|known| known == *id));
        let good = |key: &&Key| {
            named.is_none_or(|id| key.id == id)
                && crypto::verify(signature, message, &key.verifying, self.algorithm)
                    .unwrap_or(false)
        };
        if good(&&self.current) {
            return Some(SignedBy::Current);
        }
        self.previous.iter().find(good).map(|_| SignedBy::Previous)
    }

    /// The `kid` of the tokens made with them.
    pub fn id(&self) -> &str {
        &self.current.id
    }

    /// The ids of all keys, first that of the one that signs.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        [&self.current].into_iter().chain(&self.previous).map(|key| key.id.as_str())
    }
}

/// A secret that signs and verifies. What is hashed for its id can't be the signed part of a
/// token, which has neither spaces nor colons.
fn shared_key(
    algorithm: jsonwebtoken::Algorithm,
    secret: &Secret,
) -> Result<(Key, EncodingKey), KeyError> {
    let bytes = secret.expose().as_bytes();
    if bytes.len() < MIN_SECRET_BYTES {
        return Err(KeyError::ShortSecret(bytes.len()));
    }
    let signing = EncodingKey::from_secret(bytes);
    let mut id = crypto::sign(b"confab: the id of this key", &signing, algorithm)
        .map_err(|_| KeyError::ShortSecret(bytes.len()))?;
    id.truncate(ID_CHARACTERS);
    Ok((Key { id, verifying: DecodingKey::from_secret(bytes) }, signing))
}

/// The public key of a file. `private` is named in what to do about another kind of file.
fn public_key(
    public: &PemFile<'_>,
    kind: &Kind,
    name: &str,
    private: &PemFile<'_>,
) -> Result<Key, KeyError> {
    let path = private.path.display();
    public.expect_label("PUBLIC KEY", format_args!("openssl pkey -in {path} -pubout -out NEW"))?;
    let verifying = public.read(kind, name, |kind| kind.public)?;
    let mut id = URL_SAFE_NO_PAD.encode(Sha256::digest(public.body()));
    id.truncate(ID_CHARACTERS);
    Ok(Key { id, verifying })
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Keys({}, {:?})", self.name, self.ids().collect::<Vec<_>>())
    }
}
