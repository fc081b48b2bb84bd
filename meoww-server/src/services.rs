//! The server's operations, one function each. HTTP, sockets and admin commands parse, call and
//! render; the steps of an operation and their order are decided here.

mod accounts;
mod addresses;
pub(crate) mod background;
pub(crate) mod drain;
pub(crate) mod limits;
mod mail_queue;
pub(crate) mod open;
pub(crate) mod origins;
mod others;
mod passwords;
mod photos;
pub(crate) mod readiness;
mod refusal;
mod rehash;
mod safety;
pub(crate) mod sessions;

use std::{fs::File, sync::Arc};

use meoww_proto::account::User;
use tokio::sync::Semaphore;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::open::StartError;
use self::{
    background::Background, drain::Drain, limits::RateLimiters, origins::Origins,
    readiness::Readiness,
};
pub(crate) use self::{refusal::Refusal, safety::Unfiled};
use crate::{
    config::Config, core::account::Account, hashing::Hasher, hub::HubHandle, mail::Post,
    metrics::Metrics, photos::Photos, store::Store, tokens::AccessTokens,
};

/// The state that operations share.
pub(crate) struct Services {
    pub(crate) config: Config,
    pub(crate) store: Store,
    pub(crate) mailer: Post,
    pub(crate) origins: Origins,
    pub(crate) hasher: Hasher,
    pub(crate) tokens: AccessTokens,
    pub(crate) photos: Photos,
    pub(crate) otp_key: [u8; 32],
    pub(crate) rate_limiters: RateLimiters,
    pub(crate) hub: HubHandle,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) readiness: Readiness,
    pub(crate) drain: Drain,
    /// Cancelled when the server begins to stop.
    pub(crate) closing: CancellationToken,
    /// Tasks that outlive the request that started them.
    pub(crate) background: Background,
    /// Bounds the mails that are being sent.
    deliveries: Semaphore,
    /// The tasks of open sockets.
    pub(crate) sockets: TaskTracker,
    /// Held for as long as the data directory is ours.
    _lock: File,
}

impl Services {
    /// Runs an operation to completion even if the caller is dropped: a write and its consequences
    /// (closed sockets, sent mail) belong together.
    async fn finish<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
        self: &Arc<Self>,
        operation: impl FnOnce(Arc<Self>) -> F,
    ) -> T {
        self.background.to_its_end(operation(self.clone())).await
    }

    /// An account as its owner sees it.
    pub(crate) fn user(&self, account: &Account) -> User {
        account.to_user(self.config.public_url.as_deref())
    }
}

#[cfg(test)]
mod tests;
