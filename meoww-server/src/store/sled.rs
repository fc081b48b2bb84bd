//! The embedded store: sled, one process at a time.

use std::path::Path;

use meoww_proto::UserId;
use time::OffsetDateTime;

use super::{
    Confirmation, Creation, NewSession, Refresh, Reissue, StoreError, flush::Flusher, trees::Trees,
};
use crate::core::{
    account::{Account, Email},
    otp::{Challenge, Seal},
    session::{SessionId, TokenDigest},
};

/// Memory sled may use for pages it has read, in bytes.
const CACHE_BYTES: u64 = 64 << 20;

/// The database of one server.
#[derive(Clone)]
pub struct Store {
    trees: Trees,
    flusher: Flusher,
}

impl Store {
    /// Opens or creates the database in `directory`.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let db = sled::Config::new()
            .path(directory)
            .cache_capacity(CACHE_BYTES)
            // Nothing waits for the timer: every write is flushed before it is acknowledged.
            .flush_every_ms(None)
            .open()?;
        let trees = Trees::open(&db)?;
        Ok(Self { trees, flusher: Flusher::start(db, directory)? })
    }

    /// sled blocks, so it runs where blocking hurts nobody.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let trees = self.trees.clone();
        tokio::task::spawn_blocking(move || job(&trees))
            .await
            .map_err(|error| StoreError::Broken(error.to_string()))?
    }

    /// A read that also writes has reached the disk when it returns.
    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Trees) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let value = self.read(job).await?;
        self.flusher.flush().await?;
        Ok(value)
    }

    /// Adds an account that waits for its code. An unverified account whose code has expired
    /// gives up its name and address to the new one.
    pub async fn create_account(
        &self,
        account: Account,
        challenge: Challenge,
        now: OffsetDateTime,
    ) -> Result<Creation, StoreError> {
        self.write(move |trees| trees.create_account(&account, &challenge, now)).await
    }

    /// Takes back a sign-up whose mail could not be sent; a verified account stays.
    pub async fn discard_signup(&self, user: UserId) -> Result<(), StoreError> {
        self.write(move |trees| trees.discard_signup(user)).await
    }

    /// Judges a code and counts the try; the right one verifies the account and opens `session`.
    pub async fn consume_otp(
        &self,
        user: UserId,
        candidate: Seal,
        session: NewSession,
        now: OffsetDateTime,
    ) -> Result<Confirmation, StoreError> {
        self.write(move |trees| trees.consume_otp(user, &candidate, &session, now)).await
    }

    /// Voids the code that waits and lets `challenge` wait in its place.
    pub async fn replace_otp(
        &self,
        user: UserId,
        challenge: Challenge,
    ) -> Result<Reissue, StoreError> {
        self.write(move |trees| trees.replace_otp(user, &challenge)).await
    }

    /// Opens a session for a user who proved a password.
    pub async fn open_session(&self, session: NewSession) -> Result<(), StoreError> {
        self.write(move |trees| trees.open_session(&session)).await
    }

    /// Replaces a refresh token by `next`, good until `expires_at`. A spent one ends its session.
    pub async fn rotate_refresh(
        &self,
        presented: TokenDigest,
        next: TokenDigest,
        now: OffsetDateTime,
        expires_at: OffsetDateTime,
    ) -> Result<Refresh, StoreError> {
        self.write(move |trees| trees.rotate_refresh(presented, next, now, expires_at)).await
    }

    /// Ends the session that has or had this refresh token, if there is one.
    pub async fn end_session(&self, presented: TokenDigest) -> Result<(), StoreError> {
        self.write(move |trees| trees.end_session(presented)).await
    }

    /// The account a live session belongs to; `None` once the session has ended.
    pub async fn session_account(&self, id: SessionId) -> Result<Option<Account>, StoreError> {
        self.read(move |trees| trees.session_account(id)).await
    }

    /// The account with this address.
    pub async fn account_by_email(&self, email: Email) -> Result<Option<Account>, StoreError> {
        self.read(move |trees| trees.account_by_email(&email)).await
    }

    /// Forgets sessions and refresh tokens that have run out.
    pub async fn purge_expired(&self, now: OffsetDateTime) -> Result<(), StoreError> {
        self.write(move |trees| trees.purge_expired(now)).await
    }

    /// Puts everything on disk, at the end.
    pub async fn flush(&self) -> Result<(), StoreError> {
        self.flusher.flush().await
    }
}
