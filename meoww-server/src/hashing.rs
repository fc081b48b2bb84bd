//! Password hashing (Argon2id, RFC 9106) on a few threads of its own, so that it never takes the
//! processor away from the sockets. Hashes of the Node.js backend (bcrypt) are understood until their
//! owner logs in.

mod pool;

use std::{num::NonZeroUsize, sync::Arc, thread};

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

/// Passwords that may wait for a thread: about two seconds of work for one.
const MAX_WAITING: usize = 64;

/// Most a bcrypt hash may cost: about a second of one core.
const MAX_BCRYPT_COST: u32 = 14;

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

    /// Whether `password` is the one hashed to `expected`; with no hash, the same work and `false`.
    pub(crate) async fn verify(
        &self,
        password: String,
        expected: Option<String>,
    ) -> Result<bool, HashError> {
        let nobody = self.nobody.clone();
        self.run(move || {
            let hash = expected.as_deref().unwrap_or(&nobody);
            Ok(matches(&password, hash)? && expected.is_some())
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

/// Whether this is a bcrypt hash that can be checked in bounded time.
pub(crate) fn is_bcrypt(hash: &str) -> bool {
    let parts = hash.parse::<bcrypt::HashParts>();
    parts.is_ok_and(|parts| parts.get_cost() <= MAX_BCRYPT_COST)
}

fn matches(password: &str, hash: &str) -> Result<bool, HashError> {
    let failed = |error: &dyn std::error::Error| HashError::Failed(error.to_string());
    if is_bcrypt(hash) {
        return bcrypt::verify(password, hash).map_err(|error| failed(&error));
    }
    let hash = PasswordHash::new(hash).map_err(|error| failed(&error))?;
    Ok(Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn hash(password: &[u8]) -> Result<String, HashError> {
    let hash = Argon2::default().hash_password(password);
    hash.map(|hash| hash.to_string()).map_err(|error| HashError::Failed(error.to_string()))
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

    #[tokio::test]
    async fn the_waiting_line_is_bounded() {
        let hasher = Hasher::new().expect("a hasher");
        let all = hasher.admitted.available_permits() as u32;
        let _others = hasher.admitted.clone().acquire_many_owned(all).await.expect("permits");
        assert!(matches!(hasher.hash(password()).await, Err(HashError::Busy)));
    }
}
