//! One rate limit: counted here, or by all servers on the database together.

use std::{
    hash::{Hash, Hasher},
    sync::{Mutex, MutexGuard, PoisonError},
};

use ring::hmac;

use crate::{
    clock,
    core::limits::{Quota, RateLimitStatus, WindowLimiter},
    services::Refusal,
    store::{Store, StoreError, Tally, TallyKey},
};

/// Lets so many of a key through; without a quota, all of them. What is counted and then fails by a
/// fault of ours (the database is away) is taken back by who counted it.
pub(crate) struct RateLimiter<K> {
    name: &'static str,
    /// Counting takes nanoseconds, too little to queue for: hence a lock and no task.
    limiter: Mutex<Option<WindowLimiter<K>>>,
    /// Where all servers count together, if they do.
    shared: Option<SharedCounts>,
    pub(crate) refusal: &'static str,
}

/// Where servers on one database count together.
#[derive(Clone)]
pub(crate) struct SharedCounts {
    store: Store,
    key: hmac::Key,
}

/// One of a key that was counted, and can be taken back.
pub(crate) struct Counted<K> {
    key: K,
    pub(crate) status: RateLimitStatus,
    /// When its window ends, where servers count together.
    shared_end: Option<i64>,
}

impl SharedCounts {
    /// `None` where no other server can be on the database.
    pub(crate) fn new(store: &Store, otp_key: &[u8]) -> Option<Self> {
        let key = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, otp_key), b"rate limits");
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.as_ref());
        store.is_shared().then(|| Self { store: store.clone(), key })
    }

    fn digest<K: Hash>(&self, limit: &str, key: &K) -> TallyKey {
        let mut digest = Digest(hmac::Context::with_key(&self.key));
        (limit, key).hash(&mut digest);
        let mut tag = TallyKey::default();
        tag.copy_from_slice(digest.0.sign().as_ref());
        tag
    }
}

/// Takes in what is hashed, for a digest that is the same on every server.
struct Digest(hmac::Context);

impl Hasher for Digest {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Of no use: the digest is longer.
    fn finish(&self) -> u64 {
        0
    }
}

impl<K: Clone + Eq + Hash> RateLimiter<K> {
    pub(super) fn new(
        name: &'static str,
        refusal: &'static str,
        shared: Option<&SharedCounts>,
    ) -> Self {
        Self { name, limiter: Mutex::new(None), shared: shared.cloned(), refusal }
    }

    pub(super) fn adopt(&self, quota: Option<Quota>) {
        let mut limiter = self.limiter();
        if limiter.as_ref().map(WindowLimiter::quota) != quota {
            *limiter = quota.map(WindowLimiter::new);
        }
    }

    fn limiter(&self) -> MutexGuard<'_, Option<WindowLimiter<K>>> {
        self.limiter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one of `key`; nothing without a quota.
    pub(crate) async fn admit(&self, key: K) -> Result<Option<Counted<K>>, Refusal> {
        match self.count(key).await? {
            Some(Err(status)) => {
                Err(Refusal::TooMany(self.refusal, status.reset(clock::instant())))
            }
            Some(Ok(counted)) => Ok(Some(counted)),
            None => Ok(None),
        }
    }

    /// Takes back what turned out not to count, if anything was counted.
    pub(crate) async fn forgive(&self, counted: Option<Counted<K>>) {
        if let Some(counted) = counted {
            self.take_back(counted).await;
        }
    }

    /// Takes back what turned out not to count, and returns where its key stands then.
    pub(crate) async fn take_back(&self, counted: Counted<K>) -> RateLimitStatus {
        let Counted { key, status, shared_end } = counted;
        let (Some(ends), Some(shared)) = (shared_end, &self.shared) else {
            return self.limiter().as_mut().map_or(status, |limiter| limiter.forgive(&key, status));
        };
        match shared.store.uncount(shared.digest(self.name, &key), ends).await {
            Ok(()) => RateLimitStatus { remaining: status.remaining + 1, ..status },
            Err(error) => {
                tracing::warn!(%error, limit = self.name, "one too many stays counted");
                status
            }
        }
    }

    /// Counts one of `key`, or says where it stands if it is one too many; nothing without a quota.
    pub(crate) async fn count(
        &self,
        key: K,
    ) -> Result<Option<Result<Counted<K>, RateLimitStatus>>, StoreError> {
        let Some(quota) = self.limiter().as_ref().map(WindowLimiter::quota) else {
            return Ok(None);
        };
        let Some(shared) = &self.shared else {
            let outcome = self.limiter().as_mut().map(|it| it.admit(key.clone(), clock::instant()));
            return Ok(outcome.map(|it| it.map(|status| Counted { key, status, shared_end: None })));
        };
        let tally = shared.store.count(shared.digest(self.name, &key), quota).await?;
        let Tally { is_admitted, used, left, ends } = tally;
        let remaining = quota.requests.saturating_sub(used);
        let status = RateLimitStatus { quota, remaining, ends: clock::instant() + left };
        let counted = Counted { key, status, shared_end: Some(ends) };
        Ok(Some(if is_admitted { Ok(counted) } else { Err(status) }))
    }
}
