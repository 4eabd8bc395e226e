//! Hashing and checking passwords with argon2id, away from the threads that serve requests.
//!
//! One hash at a time per processor: a hash needs 19 MiB and all of a core, so more of them at once only make all of
//! them late. Those who wait stand in a short queue; beyond it the answer is [`Error::Busy`]. Whoever asks for anything
//! else is served first: a thread that hashes has a lower priority.

use std::{num::NonZero, sync::Arc, thread};

use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::phc::{Output, PasswordHash as Phc, Salt},
};
use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use memory::{Memory, OUTPUT};
use subtle::ConstantTimeEq;
use tokio::sync::{Semaphore, oneshot};
use usher_domain::{Password, PasswordAttempt, User};

use crate::{Error, Result, bytes::random};

mod memory;
mod pepper;

pub use pepper::{Owner, Pepper};

/// How many may wait for each processor.
const QUEUE_PER_PROCESSOR: usize = 16;
/// What is left of a processor that somebody else wants as well: a tenth.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;
/// What a stored hash may ask for, so that a forged one cannot stop an instance.
const MAX_MEMORY_KIB: u32 = 256 * 1024;
const MAX_PASSES: u32 = 16;
const MAX_LANES: u32 = 8;

/// What hashing a password costs (ASVS 5.0.0, 11.4.2 and appendix C).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cost(Params);

impl Cost {
    /// Reads a cost such as `m=19456,t=2,p=1`, the default: memory in KiB, passes, lanes.
    ///
    /// It is never below what OWASP holds for the least: 19456/2/1, or 47104/1/1, or 12288/3/1.
    pub fn parse(text: &str) -> std::result::Result<Self, &'static str> {
        let mut values = [0; 3];
        let mut parts = text.split(',');
        for (value, name) in values.iter_mut().zip(["m=", "t=", "p="]) {
            let number = parts.next().and_then(|part| part.trim().strip_prefix(name));
            *value = number
                .and_then(|number| number.parse().ok())
                .ok_or("must look like m=19456,t=2,p=1")?;
        }
        let [memory, passes, lanes] = values;
        let is_enough = matches!(
            (memory, passes),
            (47_104.., 1..) | (19_456.., 2..) | (12_288.., 3..)
        );
        let is_bearable =
            memory <= MAX_MEMORY_KIB && passes <= MAX_PASSES && (1..=MAX_LANES).contains(&lanes);
        if parts.next().is_some() || !is_enough || !is_bearable {
            return Err("must be at least m=19456,t=2,p=1, and at most m=262144,t=16,p=8");
        }
        Params::new(memory, passes, lanes, None)
            .map(Self)
            .map_err(|_| "is not a cost that argon2 knows")
    }
}

impl Default for Cost {
    fn default() -> Self {
        Self(Params::DEFAULT)
    }
}

/// A hashed password as it is stored: a PHC string, or one that is sealed (see [`Pepper`]).
#[derive(Clone)]
pub struct PasswordHash(String);

impl PasswordHash {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// Takes a hash that another program made, or returns `None` when nobody could sign in with it.
    pub fn parse(text: &str) -> Option<Self> {
        Stored::read(text).map(|_| Self(text.to_owned()))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What checking a password showed.
pub struct Verdict {
    /// Whether it was the right one.
    pub is_right: bool,
    /// What is to be stored from now on: a hash at today's cost when the stored one was made at another, sealed with today's
    /// pepper when it was not.
    pub rehashed: Option<PasswordHash>,
}

/// Hashes and checks passwords. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Passwords {
    cost: Cost,
    pepper: Option<Pepper>,
    processors: usize,
    memory: Memory,
    queue: Arc<Semaphore>,
    turns: Arc<Semaphore>,
}

impl Passwords {
    /// Makes the queue; nothing runs before it is needed.
    pub fn new(cost: Cost) -> Self {
        let processors = thread::available_parallelism().map_or(1, NonZero::get);
        Self {
            memory: Memory::new(cost.0.block_count()),
            cost,
            pepper: None,
            processors,
            queue: Arc::new(Semaphore::new(processors * (QUEUE_PER_PROCESSOR + 1))),
            turns: Arc::new(Semaphore::new(processors)),
        }
    }

    /// Makes it seal hashes, and open those that are sealed.
    #[must_use]
    pub fn with_pepper(self, pepper: Option<Pepper>) -> Self {
        Self { pepper, ..self }
    }

    /// Returns how many hashes run at once.
    pub fn processors(&self) -> usize {
        self.processors
    }

    /// Hashes a new password. What comes back is of no use in the row of anybody but its owner, when there is a pepper.
    pub async fn hash(&self, password: Password, owner: Owner<'_>) -> Result<PasswordHash> {
        let (memory, cost) = (self.memory.clone(), self.cost.clone());
        let phc = self.in_turn(move || hash(&memory, &cost, password.expose()));
        self.seal(phc.await?, owner)
    }

    /// Checks a password against what is stored for a user. Without anything, or with what cannot be opened, it takes the
    /// same time and is wrong.
    pub async fn verify(
        &self,
        attempt: PasswordAttempt,
        stored: Option<(&PasswordHash, &User)>,
    ) -> Result<Verdict> {
        let opened = stored.and_then(|(hash, user)| Some((self.open(hash, user)?, user)));
        let (memory, cost) = (self.memory.clone(), self.cost.clone());
        let phc = opened
            .as_ref()
            .map(|(opened, _)| (opened.phc.clone(), opened.is_too_long()));
        let checked = self.in_turn(move || verify(&memory, &cost, attempt.expose(), phc.as_ref()));
        let (is_right, mut renewed) = checked.await?;
        let Some((opened, user)) = opened.filter(|_| is_right) else {
            return Ok(Verdict {
                is_right,
                rehashed: None,
            });
        };
        if opened.is_stale {
            renewed = renewed.or(Some(opened.phc));
        }
        let rehashed = renewed.map(|phc| self.seal(phc, Owner::User(user.id)));
        Ok(Verdict {
            is_right,
            rehashed: rehashed.transpose()?,
        })
    }

    /// Returns what is to be stored in place of a hash that is bound to the address of its owner, when that is to change.
    pub fn rebind(&self, stored: &PasswordHash, owner: &User) -> Result<Option<PasswordHash>> {
        let bound = pepper::rebind(self.pepper.as_ref(), stored.as_str(), owner)?;
        Ok(bound.map(PasswordHash))
    }

    /// Tells whether hashes may be bound to their owners.
    pub fn is_peppered(&self) -> bool {
        self.pepper.is_some()
    }

    fn seal(&self, phc: String, owner: Owner<'_>) -> Result<PasswordHash> {
        pepper::seal(self.pepper.as_ref(), phc, owner).map(PasswordHash)
    }

    fn open(&self, stored: &PasswordHash, user: &User) -> Option<pepper::Opened> {
        let opened = pepper::open(self.pepper.as_ref(), stored.as_str(), user);
        if let Err(error) = &opened {
            let user = user.id;
            tracing::error!(%user, "a stored password hash cannot be opened with USHER_PEPPER: {error}");
        }
        opened.ok()
    }

    async fn in_turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let busy = |_| Error::Busy("password hashing");
        let _place = self.queue.try_acquire().map_err(busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| Error::Crypto("the queue of password hashing"))?;
        let (answer, answered) = oneshot::channel();
        // A thread of its own, since its priority cannot be raised again.
        let worker = thread::Builder::new().name("password".to_owned());
        let started = worker.spawn(move || {
            // The turn ends with the work, also when nobody waits for it any more.
            let _turn = turn;
            yield_to_others();
            let _ = answer.send(work());
        });
        started.map_err(|_| Error::Crypto("starting a thread for password hashing"))?;
        // A panic has dropped the sender.
        let failed = |_| Error::Crypto("password hashing");
        answered.await.map_err(failed)?
    }
}

/// Lowers the priority of the calling thread. Elsewhere than on Linux it would be that of the whole process.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::warn!("passwords are hashed at full priority: {error}");
    }
}

/// Makes a PHC string of a password with a new salt.
fn hash(memory: &Memory, cost: &Cost, password: &str) -> Result<String> {
    let salt = random::<16>()?;
    let mut output = [0; OUTPUT];
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.0.clone());
    memory.compute(&hasher, password.as_bytes(), &salt, &mut output)?;
    let (m, t, p) = (cost.0.m_cost(), cost.0.t_cost(), cost.0.p_cost());
    let (salt, output) = (STANDARD_NO_PAD.encode(salt), STANDARD_NO_PAD.encode(output));
    Ok(format!("$argon2id$v=19$m={m},t={t},p={p}${salt}${output}"))
}

/// Tells whether a password is the right one, and returns a new PHC string when the stored one was made at another cost, or
/// is to be renewed.
fn verify(
    memory: &Memory,
    cost: &Cost,
    password: &str,
    stored: Option<&(String, bool)>,
) -> Result<(bool, Option<String>)> {
    let known = stored.and_then(|(phc, is_renewed)| Some((Stored::read(phc)?, *is_renewed)));
    let Some((known, is_renewed)) = known else {
        if stored.is_some() {
            tracing::error!("a stored password hash cannot be read: its owner cannot sign in");
        }
        hash(memory, cost, password)?;
        return Ok((false, None));
    };
    let is_right = known.is_of_password(memory, password)?;
    let rehashed = if is_right && (is_renewed || !known.is_of_cost(cost)) {
        Some(hash(memory, cost, password)?)
    } else {
        None
    };
    Ok((is_right, rehashed))
}

/// A stored hash that was understood and asks for no more than an instance can give.
struct Stored {
    algorithm: Algorithm,
    version: Version,
    params: Params,
    salt: Salt,
    output: Output,
}

impl Stored {
    fn read(text: &str) -> Option<Self> {
        let phc = Phc::new(text).ok()?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).ok()?;
        let version = phc.version.map_or(Some(Version::V0x10), |version| {
            Version::try_from(version).ok()
        })?;
        let params = Params::try_from(&phc).ok()?;
        let is_bearable = params.m_cost() <= MAX_MEMORY_KIB
            && params.t_cost() <= MAX_PASSES
            && params.p_cost() <= MAX_LANES;
        let (salt, output) = (phc.salt?, phc.hash?);
        is_bearable.then_some(Self {
            algorithm,
            version,
            params,
            salt,
            output,
        })
    }

    fn is_of_password(&self, memory: &Memory, password: &str) -> Result<bool> {
        let hasher = Argon2::new(self.algorithm, self.version, self.params.clone());
        let mut output = [0; Output::MAX_LENGTH];
        let output = output.get_mut(..self.output.len()).unwrap_or_default();
        memory.compute(&hasher, password.as_bytes(), self.salt.as_ref(), output)?;
        Ok(output.ct_eq(self.output.as_bytes()).into())
    }

    fn is_of_cost(&self, cost: &Cost) -> bool {
        let costs = |params: &Params| (params.m_cost(), params.t_cost(), params.p_cost());
        self.algorithm == Algorithm::Argon2id
            && self.version == Version::V0x13
            && costs(&self.params) == costs(&cost.0)
    }
}

#[cfg(test)]
mod tests;
