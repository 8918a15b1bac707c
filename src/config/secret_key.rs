//! Where the secret key comes from, and what is too weak to be one.

use std::{io, path::Path};

use super::{
    document::{Finding, Target},
    environment::Environment,
    error::{ConfigError, Place, unreadable},
    layers::{Layer, Origin},
    secret::Secret,
    sections::Auth,
    source::read_bounded,
    tables,
};

/// The fewest bytes of a key: as many as HS256 makes of it (RFC 7518, section 3.2).
const MIN_BYTES: usize = 32;

/// The largest key file: 64 KiB.
const MAX_FILE: u64 = 64 * 1024;

/// The systemd credential that holds the key.
const CREDENTIAL: &str = "secret_key";

pub(super) const HINT: &str = "make one with `openssl rand -base64 48`, and give it in the variable \
                    SECRET_KEY or in a file named by SECRET_KEY_FILE";

/// The words that placeholders are made of.
const PLACEHOLDER: [&str; 63] = [
    "usea",
    "abc",
    "an",
    "and",
    "at",
    "base64",
    "bytes",
    "change",
    "changeit",
    "changeme",
    "characters",
    "chat",
    "chars",
    "confab",
    "default",
    "demo",
    "dev",
    "development",
    "dummy",
    "example",
    "fastapi",
    "foo",
    "bar",
    "generate",
    "here",
    "hunter2",
    "in",
    "insecure",
    "is",
    "isa",
    "it",
    "jwt",
    "key",
    "least",
    "letmein",
    "long",
    "me",
    "my",
    "not",
    "of",
    "openssl",
    "or",
    "output",
    "passphrase",
    "password",
    "placeholder",
    "please",
    "prod",
    "production",
    "rand",
    "random",
    "replace",
    "safe",
    "secret",
    "some",
    "string",
    "super",
    "test",
    "the",
    "this",
    "to",
    "token",
    "value",
];

/// More words that placeholders are made of.
const PLACEHOLDER_TOO: [&str; 10] =
    ["use", "very", "with", "your", "qwerty", "admin", "bit", "for", "do", "minimum"];

/// The key of FastAPI's tutorial, which many copied with the code.
const TUTORIAL: &str = "09d25e094faa6ca2556c818166b7a9563b93f7099f6f0f4caa6cf63b88e8d3e7";

/// A key, and where it came from.
pub(super) struct Found {
    pub secret: Secret,
    pub origin: Origin,
    pub place: Place,
}

/// What the layers say of a secret.
pub(super) enum Choice<'a> {
    Key(&'a Layer),
    File(&'a Layer),
    Nothing,
}

/// The last layer that gives a secret, or a file that holds it.
///
/// # Errors
/// Layers of which none wins give both.
pub(super) fn choose<'a>(
    layers: &'a [Layer],
    table: &str,
    key: &str,
    file_key: &str,
) -> Result<Choice<'a>, ConfigError> {
    let giver = |key: &str| layers.iter().rev().find(|layer| layer.get(table, key).is_some());
    Ok(match (giver(key), giver(file_key)) {
        (Some(key_layer), Some(file)) if key_layer.rank == file.rank => {
            let message = format!("both {table}.{key} and {table}.{file_key} are given here");
            let finding = Finding::at(&tables::path(table, file_key), message).key();
            return Err(file.error(&finding.help("keep one of the two")));
        }
        (Some(key), Some(file)) if key.rank < file.rank => Choice::File(file),
        (None, Some(file)) => Choice::File(file),
        (Some(key), _) => Choice::Key(key),
        (None, None) => Choice::Nothing,
    })
}

/// Reads the key from where the layers say, or from the systemd credential. `auth` then says
/// what holds; without `read`, files are left alone.
pub(super) fn resolve(
    auth: &mut Auth,
    choice: &Choice<'_>,
    environment: &Environment,
    read: bool,
) -> Result<Option<Found>, ConfigError> {
    match choice {
        Choice::Key(layer) => {
            auth.secret_key_file = None;
            let path = ["auth".into(), "secret_key".into()];
            Ok(auth.secret_key.clone().map(|secret| Found {
                secret,
                origin: layer.origin(&path),
                place: layer.place(&path, Target::Value),
            }))
        }
        Choice::File(layer) => {
            auth.secret_key = None;
            let path = ["auth".into(), "secret_key_file".into()];
            let place = layer.place(&path, Target::Value);
            let Some(file) = auth.secret_key_file.clone().filter(|_| read) else {
                return Ok(None);
            };
            let origin = Origin::Contents(file.clone());
            read_secret("the secret key from", &file, origin, place).map(Some)
        }
        Choice::Nothing => {
            let folder = environment.get("CREDENTIALS_DIRECTORY").filter(|_| read);
            let file = folder.map(|folder| Path::new(folder).join(CREDENTIAL));
            match file.filter(|file| file.exists()) {
                Some(file) => {
                    let place = Place::File(file.clone());
                    let origin = Origin::Credential(CREDENTIAL);
                    read_secret("the secret key from", &file, origin, place).map(Some)
                }
                None => Ok(None),
            }
        }
    }
}

/// Reads a secret from a file that holds nothing else.
///
/// # Errors
/// It can't be read, or holds none.
pub(super) fn read_secret(
    what: &str,
    file: &Path,
    origin: Origin,
    place: Place,
) -> Result<Found, ConfigError> {
    match read_key(file) {
        Ok(secret) => Ok(Found { secret, origin, place }),
        Err(error) => Err(unreadable(what, file, &error, place)),
    }
}

fn read_key(file: &Path) -> io::Result<Secret> {
    let bytes = read_bounded(file, MAX_FILE)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| io::Error::other("it is not text: encode a key, in base64 for instance"))?;
    let key = text.trim_end_matches(['\r', '\n']);
    if key.is_empty() {
        return Err(io::Error::other("it is empty"));
    }
    Ok(Secret::from(key.to_owned()))
}

/// Whether a file can be read and looks like PEM; what key it holds is seen when it is used.
pub(super) fn read_pem(file: &Path) -> io::Result<()> {
    let bytes = read_bounded(file, MAX_FILE)?;
    if bytes.windows(11).any(|part| part == b"-----BEGIN ") {
        return Ok(());
    }
    Err(io::Error::other("it is not a PEM file"))
}

/// Refuses keys that can be guessed.
pub(super) fn check(found: &Found) -> Result<(), ConfigError> {
    let key = found.secret.expose();
    let message = if key.is_empty() {
        "the secret key is empty".to_owned()
    } else if is_placeholder(key) {
        "the secret key is a placeholder that anybody can guess".to_owned()
    } else if key.len() < MIN_BYTES {
        let length = key.len();
        format!("the secret key has {length} bytes, and needs at least {MIN_BYTES}")
    } else if is_regular(key.as_bytes()) {
        "the secret key repeats itself, and anybody can guess it".to_owned()
    } else {
        return Ok(());
    };
    Err(ConfigError::new(message, found.place.clone()).help(HINT))
}

/// Whether nothing is left of a text when the words of placeholders and digits are taken away.
fn is_placeholder(key: &str) -> bool {
    let text: Vec<u8> = key
        .bytes()
        .filter(u8::is_ascii_alphanumeric)
        .map(|byte| byte.to_ascii_lowercase())
        .collect();
    if key == TUTORIAL {
        return true;
    }
    if text.len() > 256 || text.len() * 2 < key.len() || text.iter().all(u8::is_ascii_digit) {
        return false;
    }
    // reachable[n]: the first n letters are made of such words.
    let mut reachable = vec![false; text.len() + 1];
    if let Some(start) = reachable.first_mut() {
        *start = true;
    }
    for at in 0..text.len() {
        if !reachable.get(at).copied().unwrap_or(false) {
            continue;
        }
        let rest = text.get(at..).unwrap_or_default();
        let words = PLACEHOLDER.iter().chain(&PLACEHOLDER_TOO).map(|word| word.as_bytes());
        let digit = rest.first().filter(|byte| byte.is_ascii_digit()).map(|_| 1);
        let lengths = words.filter(|word| rest.starts_with(word)).map(<[u8]>::len);
        for length in lengths.chain(digit) {
            if let Some(end) = reachable.get_mut(at + length) {
                *end = true;
            }
        }
    }
    reachable.last().copied().unwrap_or(false)
}

/// Whether a key is mostly one character, a short piece repeated, or the alphabet.
fn is_regular(key: &[u8]) -> bool {
    let half = key.len() / 2;
    let repeats =
        (1..=half).any(|period| key.iter().zip(key.iter().skip(period)).all(|(a, b)| a == b));
    let pairs = key.iter().zip(key.iter().skip(1));
    let steps = pairs.filter(|(a, b)| a.abs_diff(**b) <= 1).count();
    repeats || steps * 4 > key.len() * 3
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(key: &str) -> Option<String> {
        let found =
            Found { secret: key.to_owned().into(), origin: Origin::Default, place: Place::Default };
        check(&found).err().map(|error| error.message().to_owned())
    }

    #[test]
    fn keys_that_anybody_can_guess_are_refused() {
        for key in [
            "changeme",
            "secret",
            "your-secret-key",
            "supersecretkey",
            "your-super-secret-jwt-token-with-at-least-32-characters-long",
            "CHANGE_ME_IN_PRODUCTION_PLEASE_CHANGE_ME",
            "this-is-a-very-secret-key-for-development-only-123456".replace("-only", "").as_str(),
            "the output of: openssl rand -base64 48",
            "secret-secret-secret-secret-secret-secret",
            TUTORIAL,
        ] {
            assert!(said(key).unwrap().contains("placeholder"), "{key}");
        }
        for key in [
            "x".repeat(64),
            "Qz7!".repeat(16),
            "abcdefghijklmnopqrstuvwxyz012345".to_owned(),
            "12345678901234567890123456789012".to_owned(),
        ] {
            assert!(said(&key).unwrap().contains("repeats itself"), "{key}");
        }
    }

    #[test]
    fn short_keys_are_refused_and_never_shown() {
        let short = said("tK9#fG2$hJ5^kL8&pQ1*wE4(rT7)yU0").unwrap();
        assert_eq!(short, "the secret key has 31 bytes, and needs at least 32");
        assert!(said("").unwrap().contains("is empty"));
    }

    #[test]
    fn random_keys_are_taken() {
        use rand::RngCore as _;
        let mut seed = [0; 48];
        for round in 0..2000u32 {
            rand::rng().fill_bytes(&mut seed);
            let hex: String = seed.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
            let letters: String =
                seed.iter().take(32).map(|byte| char::from(b'0' + byte % 75)).collect();
            for key in [&hex, &letters] {
                assert_eq!(said(key), None, "round {round}: {key}");
            }
        }
    }
}
