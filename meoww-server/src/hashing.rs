//! Password hashing (Argon2id, RFC 9106) on a few threads of its own, so that it never takes the
//! processor away from the sockets. Hashes of the Node.js backend (bcrypt) are understood until their
//! owner logs in.

mod pool;

use std::{
    num::NonZeroUsize,
    ops::RangeInclusive,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    thread,
};

use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};
use tokio::sync::{Semaphore, oneshot};

use self::pool::Pool;
use crate::{
    clock,
    core::account::{InvalidField, Password},
    metrics::{Counted, HashQueue},
};

/// Passwords that may wait for a thread: about two seconds of work for one; four times that as long
/// as hashes of the Node.js backend are left.
const MAX_WAITING: usize = 64;

/// What a bcrypt hash may cost: up to about a second of one core.
const BCRYPT_COSTS: RangeInclusive<u32> = 4..=14;

/// Why a password was not looked at.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HashError {
    /// Too many wait already.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// Not a password to choose.
    #[error(transparent)]
    Refused(#[from] InvalidField),
    /// Argon2 or its thread failed.
    #[error("hashing: {0}")]
    Failed(String),
}

/// Hashes and verifies passwords.
pub(crate) struct Hasher {
    /// One permit a password that waits or runs.
    admitted: Arc<Semaphore>,
    threads: Pool,
    /// What a password is compared with when there is no account, so that the answer takes as long.
    nobody: Arc<str>,
    /// The highest cost of a bcrypt hash that somebody may have; 0 without any.
    pub(crate) bcrypt_cost: AtomicU32,
    pub(crate) queue: HashQueue,
}

impl Hasher {
    /// One core is left to the sockets, where there is more than one.
    pub(crate) fn new() -> Result<Self, HashError> {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = cores.saturating_sub(1).max(1);
        let most = threads + MAX_WAITING;
        let pool = Pool::start(threads, most).map_err(|e| HashError::Failed(e.to_string()))?;
        Ok(Self {
            admitted: Arc::new(Semaphore::new(most)),
            threads: pool,
            nobody: hash(b"nobody's password")?.into(),
            bcrypt_cost: AtomicU32::new(0),
            queue: HashQueue::default(),
        })
    }

    /// The PHC string of a password somebody chose of whom others know this much. To judge it can
    /// take longer than to hash it, so that is done here, too.
    pub(crate) async fn hash_choice(
        &self,
        text: String,
        known: Vec<String>,
    ) -> Result<String, HashError> {
        let judged = self.run(move || {
            let known: Vec<_> = known.iter().map(String::as_str).collect();
            Password::parse_for(text, &known)
        });
        let password = judged.await??;
        self.hash(password).await
    }

    /// The PHC string of a password under a fresh salt.
    pub(crate) async fn hash(&self, password: Password) -> Result<String, HashError> {
        self.run(move || hash(password.as_bytes())).await?
    }

    /// From now on, a bcrypt hash of this cost may be among those to verify.
    pub(crate) fn expect_bcrypt(&self, cost: u32) {
        self.bcrypt_cost.fetch_max(cost, Ordering::Relaxed);
    }

    /// Whether `password` is the one hashed to `expected`; with no hash, the same work and `false`.
    /// Nor does the work tell of which kind a hash is: where both may be, it is that of both.
    pub(crate) async fn verify(
        &self,
        password: String,
        expected: Option<String>,
    ) -> Result<bool, HashError> {
        let nobody = self.nobody.clone();
        let highest = self.bcrypt_cost.load(Ordering::Relaxed);
        self.run(move || {
            let hash = expected.as_deref().unwrap_or(&nobody);
            let is_right = matches(&password, hash)?;
            let own = bcrypt_cost(hash);
            if own.is_some() {
                matches(&password, &nobody)?;
            }
            for cost in missing_costs(own, highest) {
                bcrypt::hash_with_salt(&password, cost, [0; 16]).map_err(|e| failed(&e))?;
            }
            Ok(is_right && expected.is_some())
        })
        .await?
    }

    /// The hash that takes the place of a bcrypt hash, of a password that was just right for it.
    /// Rules for new passwords are not applied to it.
    pub(crate) async fn hash_again(&self, password: String) -> Result<String, HashError> {
        self.run(move || hash(password.as_bytes())).await?
    }

    /// The permit goes with the work: a client that hangs up frees it when the work is done.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, HashError> {
        let place = self.admitted.clone().try_acquire_owned().map_err(|_| HashError::Busy)?;
        let (waiting, began) = (Counted::in_gauge(&self.queue.waiting), clock::instant());
        let (answer, done) = oneshot::channel();
        let queue = self.queue.clone();
        let job = move || {
            drop(waiting);
            queue.wait.observe((clock::instant() - began).as_secs_f64());
            // Whoever asked may have gone away.
            let _ = answer.send(work());
            drop(place);
        };
        self.threads.run(job).map_err(|_| HashError::Busy)?;
        done.await.map_err(|_| HashError::Failed("it did not come to an end".into()))
    }
}

/// The cost of a bcrypt hash that can be checked in bounded time, if it is one.
pub(crate) fn bcrypt_cost(hash: &str) -> Option<u32> {
    let cost = hash.parse::<bcrypt::HashParts>().ok()?.get_cost();
    BCRYPT_COSTS.contains(&cost).then_some(cost)
}

/// What is to be done after a hash so that all take as long: the work doubles with each step, so
/// that one hash of a cost and one of each from it to another are as much as one of that other.
fn missing_costs(done: Option<u32>, highest: u32) -> impl Iterator<Item = u32> {
    let alone = (done.is_none() && highest > 0).then_some(highest);
    alone.into_iter().chain(done.unwrap_or(highest)..highest)
}

fn matches(password: &str, hash: &str) -> Result<bool, HashError> {
    if bcrypt_cost(hash).is_some() {
        return bcrypt::verify(password, hash).map_err(|error| failed(&error));
    }
    let hash = PasswordHash::new(hash).map_err(|error| failed(&error))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn failed(error: &dyn std::error::Error) -> HashError {
    HashError::Failed(error.to_string())
}

fn hash(password: &[u8]) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(|error| failed(&error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn password() -> Password {
        Password::parse("correct horse".into()).expect("long enough")
    }

    #[tokio::test]
    async fn only_the_right_password_of_somebody_is_right() {
        let hasher = Hasher::new().expect("a hasher");
        let hash = hasher.hash(password()).await.expect("hashed");
        assert!(hash.starts_with("$argon2id$"));
        let refused = hasher.hash_choice("adalovelace".into(), vec!["Ada Lovelace".into()]).await;
        assert!(matches!(refused, Err(HashError::Refused(_))));
        assert!(hasher.verify("correct horse".into(), Some(hash.clone())).await.expect("verified"));
        assert!(!hasher.verify("wrong horse".into(), Some(hash)).await.expect("verified"));
        assert!(!hasher.verify("nobody's password".into(), None).await.expect("verified"));
    }

    /// In units of the cheapest bcrypt hash.
    fn work(done: Option<u32>, highest: u32) -> u64 {
        done.into_iter().chain(missing_costs(done, highest)).map(|cost| 1 << (cost - 4)).sum()
    }

    #[test]
    fn every_password_takes_the_work_of_one_at_the_highest_cost() {
        for highest in BCRYPT_COSTS {
            assert_eq!(work(None, highest), 1 << (highest - 4));
            for own in *BCRYPT_COSTS.start()..=highest {
                assert_eq!(work(Some(own), highest), 1 << (highest - 4), "{own} of {highest}");
            }
        }
        assert_eq!(work(None, 0), 0, "nothing where there is no such hash");
    }

    #[tokio::test]
    async fn the_other_kinds_work_changes_no_answer() {
        let hasher = Hasher::new().expect("a hasher");
        let argon2 = hasher.hash(password()).await.expect("hashed");
        let bcrypt = bcrypt::hash("correct horse", 4).expect("hashed");
        assert_eq!((bcrypt_cost(&argon2), bcrypt_cost(&bcrypt)), (None, Some(4)));
        assert_eq!(bcrypt_cost(&bcrypt.replace("$04$", "$31$")), None);
        for highest in [0, 4, 6] {
            hasher.expect_bcrypt(highest);
            for hash in [&argon2, &bcrypt] {
                for (typed, is_right) in [("correct horse", true), ("wrong horse", false)] {
                    let verified = hasher.verify(typed.into(), Some(hash.clone())).await;
                    assert_eq!(verified.expect("verified"), is_right, "{typed} {hash}");
                }
            }
            assert!(!hasher.verify("nobody's password".into(), None).await.expect("verified"));
        }
    }

    #[tokio::test]
    async fn the_waiting_line_is_bounded() {
        let hasher = Hasher::new().expect("a hasher");
        let all = hasher.admitted.available_permits() as u32;
        let _others = hasher.admitted.clone().acquire_many_owned(all).await.expect("permits");
        assert!(matches!(hasher.hash(password()).await, Err(HashError::Busy)));
    }
}
