//! Passwords: argon2id hashes in PHC format, computed off the async threads and never more at a
//! time than the configuration allows.

use std::{fmt, num::NonZero, sync::Arc, time::Instant};

use argon2::{
    ARGON2ID_IDENT, Algorithm, Argon2, Block, Params, Version,
    password_hash::phc::{Output, ParamsString, PasswordHash, Salt},
};
use tokio::sync::{Semaphore, oneshot};

use super::{random::random, scratch::Scratch};
use crate::config::{Auth, Secret};

/// The longest new password, in bytes. More adds no strength: the hash has 32 bytes.
pub const MAX_PASSWORD_BYTES: usize = 1024;

pub(super) const HASH_DURATION: &str = "confab_password_hash_duration_seconds";

/// By how much threads that hash are nicer than the others: each step is a quarter more.
#[cfg(target_os = "linux")]
const NICE: i32 = 10;

/// Bytes of a new salt: RFC 9106, section 4.
const SALT_BYTES: usize = 16;

/// Bytes of a new hash: RFC 9106, section 4.
const HASH_BYTES: usize = 32;

// A stored hash with higher parameters than these, the bounds of the configuration keys, is not
// computed, so that no stored text decides how much memory or time is spent.
const MAX_STORED_KIB: u32 = 1024 * 1024;
const MAX_STORED_ITERATIONS: u32 = 100;
const MAX_STORED_LANES: u32 = 16;

/// Hashes and verifies passwords.
///
/// A password is the bytes of its UTF-8 text as given: nothing is trimmed, folded or
/// normalised.
///
/// Invariant: no more than `auth.hash_concurrency` hashes are computed at the same time, and no
/// more than `auth.hash_queue` callers wait for a turn, also when callers go away. Their memory
/// is theirs from the first hash on: `auth.argon2_memory` for each that is computed at a time.
pub struct Passwords {
    params: Params,
    /// What the password of an unknown user is compared with.
    dummy: Stored,
    min_length: usize,
    places: Arc<Semaphore>,
    turns: Arc<Semaphore>,
    scratch: Arc<Scratch>,
    #[cfg(test)]
    pub(super) runs: Arc<std::sync::Mutex<Vec<Params>>>,
}

/// What [`Passwords::verify`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verified {
    /// It is not the password.
    No,
    /// It is the password.
    Yes,
    /// It is the password, but the stored hash was not made with the parameters in force:
    /// replace it.
    YesRehash,
}

/// Why no hash was computed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HashError {
    /// `auth.hash_queue` callers wait already.
    Overloaded,
    /// The machine could not do it. The text is for the operator's log.
    Failed(String),
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            HashError::Overloaded => f.write_str("too many logins wait already"),
            HashError::Failed(why) => write!(f, "the password hash failed: {why}"),
        }
    }
}

impl std::error::Error for HashError {}

/// Why a text cannot be a new password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PasswordProblem {
    /// It has fewer characters than `auth.min_password_length`, the number given.
    TooShort(usize),
    /// It has more than [`MAX_PASSWORD_BYTES`].
    TooLong,
}

/// A sentence for the client.
impl fmt::Display for PasswordProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PasswordProblem::TooShort(1) => f.write_str("the password must not be empty"),
            PasswordProblem::TooShort(min) => {
                write!(f, "the password needs at least {min} characters")
            }
            PasswordProblem::TooLong => {
                write!(f, "the password has more than {MAX_PASSWORD_BYTES} bytes")
            }
        }
    }
}

impl std::error::Error for PasswordProblem {}

impl Passwords {
    /// With the parameters and bounds of `[auth]`. Computes no hash.
    ///
    /// # Errors
    /// [`HashError::Failed`] for parameters that argon2 does not know (the configuration's
    /// bounds exclude them), and when the system has no random numbers.
    pub fn new(auth: &Auth) -> Result<Self, HashError> {
        let memory = u32::try_from(auth.argon2_memory.0 / 1024).unwrap_or(u32::MAX);
        let params =
            Params::new(memory, auth.argon2_iterations, auth.argon2_parallelism, Some(HASH_BYTES))
                .map_err(failed)?;
        let concurrency = match auth.hash_concurrency {
            0 => std::thread::available_parallelism().map_or(1, NonZero::get),
            n => n,
        };
        let places = concurrency.saturating_add(auth.hash_queue);
        Ok(Self {
            dummy: dummy(&params)?,
            scratch: Arc::new(Scratch::new(params.block_count())),
            params,
            min_length: auth.min_password_length,
            places: Arc::new(Semaphore::new(places.min(Semaphore::MAX_PERMITS))),
            turns: Arc::new(Semaphore::new(concurrency.min(Semaphore::MAX_PERMITS))),
            #[cfg(test)]
            runs: Arc::default(),
        })
    }

    /// Whether `password` may become somebody's password. Any text of the right length may.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_new(&self, password: &Secret) -> Result<(), PasswordProblem> {
        let text = password.expose();
        if text.len() > MAX_PASSWORD_BYTES {
            return Err(PasswordProblem::TooLong);
        }
        if text.chars().take(self.min_length).count() < self.min_length {
            return Err(PasswordProblem::TooShort(self.min_length));
        }
        Ok(())
    }

    /// The hash of a new password with a fresh salt, in PHC format.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once, without waiting; [`HashError::Failed`].
    pub async fn hash(&self, password: Secret) -> Result<String, HashError> {
        let salt = Salt::new(&*random::<SALT_BYTES>().map_err(failed)?).map_err(failed)?;
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params.clone());
        let output = self
            .in_turn(argon2, move |argon2, memory| output(argon2, &password, &salt, memory))
            .await??;
        let hash = PasswordHash {
            algorithm: ARGON2ID_IDENT,
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&self.params).map_err(failed)?,
            salt: Some(salt),
            hash: Some(output),
        };
        Ok(hash.to_string())
    }

    /// Whether `password` is the one that `stored` was made from.
    ///
    /// Without a stored hash (an unknown user), and for one that is damaged, the answer is
    /// [`Verified::No`] after the same work as for a hash with the parameters in force, so that
    /// the time taken does not tell who has an account. A hash made with other parameters takes
    /// its own time, until its owner logs in and it is replaced.
    ///
    /// # Errors
    /// [`HashError::Overloaded`] at once, without waiting; [`HashError::Failed`].
    pub async fn verify(
        &self,
        password: Secret,
        stored: Option<Arc<str>>,
    ) -> Result<Verified, HashError> {
        // No hash begins so: nobody can log in to the account, and nothing is wrong with it.
        let stored = stored.filter(|text| !text.starts_with('!'));
        let stored = stored.and_then(|text| match parse(&text) {
            Ok(found) => Some(found),
            Err(why) => {
                tracing::error!(%why, "a stored password hash cannot be used; its owner cannot log in");
                None
            }
        });
        let known = stored.is_some();
        let Stored { algorithm, version, params, salt, hash } =
            stored.unwrap_or_else(|| self.dummy.clone());
        let current = algorithm == Algorithm::Argon2id
            && version == Some(Version::V0x13)
            && params == self.params;
        let argon2 = Argon2::new(algorithm, version.unwrap_or_default(), params);
        let computed = self
            .in_turn(argon2, move |argon2, memory| output(argon2, &password, &salt, memory))
            .await??;
        // `Output` compares in constant time.
        Ok(match computed == hash && known {
            true if current => Verified::Yes,
            true => Verified::YesRehash,
            false => Verified::No,
        })
    }

    /// What a test holds to make callers wait.
    #[cfg(test)]
    pub(super) fn turns(&self) -> Arc<Semaphore> {
        Arc::clone(&self.turns)
    }

    /// The parameters in force.
    #[cfg(test)]
    pub(super) fn params(&self) -> Params {
        self.params.clone()
    }

    /// Runs one hash on a thread of its own when its turn comes. The place and the turn belong to
    /// the work, not to the caller: one who goes away does not make room too early.
    pub(super) async fn in_turn<T: Send + 'static>(
        &self,
        argon2: Argon2<'static>,
        work: impl FnOnce(&Argon2<'_>, &mut [Block]) -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = Arc::clone(&self.places).try_acquire_owned();
        let place = place.map_err(|_| HashError::Overloaded)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(failed)?;
        #[cfg(test)]
        if let Ok(mut runs) = self.runs.lock() {
            runs.push(argon2.params().clone());
        }
        let scratch = Arc::clone(&self.scratch);
        let (done, hashed) = oneshot::channel();
        let run = move || {
            let _until_done = (place, turn);
            give_way();
            let began = Instant::now();
            let blocks = argon2.params().block_count();
            let result = scratch.with(blocks, |memory| work(&argon2, memory)).map_err(failed);
            // A caller that went away does not need it.
            let _ = done.send((result, began.elapsed()));
        };
        std::thread::Builder::new().name("password-hash".into()).spawn(run).map_err(failed)?;
        let (result, took) = hashed.await.map_err(failed)?;
        metrics::histogram!(HASH_DURATION).record(took);
        result
    }
}

/// The hash of a password, of as many bytes as the parameters say.
fn output(
    argon2: &Argon2<'_>,
    password: &Secret,
    salt: &[u8],
    memory: &mut [Block],
) -> Result<Output, HashError> {
    let mut buffer = [0; Output::MAX_LENGTH];
    let bytes = argon2.params().output_len().unwrap_or(HASH_BYTES);
    let bytes = buffer.get_mut(..bytes).ok_or_else(|| failed("a hash of too many bytes"))?;
    let password = password.expose().as_bytes();
    argon2.hash_password_into_with_memory(password, salt, &mut *bytes, memory).map_err(failed)?;
    Output::new(bytes).map_err(failed)
}

/// Lets the threads that carry messages go first: a flood of logins would otherwise take every
/// core from them. Hashes still get about a tenth of a busy machine, and all of an idle one.
fn give_way() {
    // On Linux a thread has a priority of its own; elsewhere this would be the whole process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(NICE);
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").field("params", &self.params).finish_non_exhaustive()
    }
}

fn failed(why: impl fmt::Display) -> HashError {
    HashError::Failed(why.to_string())
}

/// What a stored hash says.
#[derive(Clone)]
struct Stored {
    algorithm: Algorithm,
    version: Option<Version>,
    params: Params,
    salt: Salt,
    hash: Output,
}

/// A hash that no password is known for: random bytes in the place of the hash.
fn dummy(params: &Params) -> Result<Stored, HashError> {
    Ok(Stored {
        algorithm: Algorithm::Argon2id,
        version: Some(Version::V0x13),
        params: params.clone(),
        salt: Salt::new(&*random::<SALT_BYTES>().map_err(failed)?).map_err(failed)?,
        hash: Output::new(&*random::<HASH_BYTES>().map_err(failed)?).map_err(failed)?,
    })
}

/// Whether a stored text is a hash that [`Passwords::verify`] can compare a password with.
pub fn is_password_hash(text: &str) -> bool {
    parse(text).is_ok()
}

/// Reads a stored hash; the error names what is wrong, and holds nothing of the hash.
fn parse(text: &str) -> Result<Stored, String> {
    let stored = PasswordHash::new(text).map_err(|why| why.to_string())?;
    let algorithm =
        Algorithm::try_from(stored.algorithm.as_str()).map_err(|why| why.to_string())?;
    let version =
        stored.version.map(Version::try_from).transpose().map_err(|why| why.to_string())?;
    let params = Params::try_from(&stored).map_err(|why| why.to_string())?;
    let (Some(salt), Some(hash)) = (stored.salt, stored.hash) else {
        return Err("salt or hash is missing".into());
    };
    if params.m_cost() > MAX_STORED_KIB
        || params.t_cost() > MAX_STORED_ITERATIONS
        || params.p_cost() > MAX_STORED_LANES
    {
        return Err("its parameters are beyond what the configuration allows".into());
    }
    Ok(Stored { algorithm, version, params, salt, hash })
}
