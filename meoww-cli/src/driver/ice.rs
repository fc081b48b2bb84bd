//! The ICE servers, asked for before they are needed and again before they expire.
//!
//! By the clock on the wall: the monotonic one stands still while a laptop sleeps, and the
//! credentials expire.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use meoww_proto::account::IceServer;
use tokio::{
    sync::{Notify, watch},
    task::AbortHandle,
    time::{sleep, timeout},
};

use crate::{api::Api, clock, core::event::Way, error::Error};

/// Credentials live for an hour; a call begun with the old ones needs a few minutes of them.
const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);
const RETRY_AFTER: Duration = Duration::from_secs(60);
/// Between two looks at the clock.
const LOOK: Duration = Duration::from_secs(30);
/// How long a call waits for new ones before it is tried with what there is.
const WAIT: Duration = Duration::from_secs(3);

/// Whether there is a relay.
pub(super) fn have_relay(servers: &[IceServer]) -> bool {
    let is_relay =
        |server: &IceServer| server.urls.starts_with("turn:") || server.urls.starts_with("turns:");
    servers.iter().any(is_relay)
}

/// Kept fresh until dropped.
pub(super) struct Servers {
    newest: watch::Receiver<Fetched>,
    wanted: Arc<Notify>,
    now: fn() -> SystemTime,
    renewal: AbortHandle,
}

/// The servers that were fetched, and how long their credentials hold.
#[derive(Debug, Clone)]
struct Fetched {
    servers: Vec<IceServer>,
    at: SystemTime,
    lasts: Duration,
}

impl Fetched {
    fn new(servers: Vec<IceServer>, at: SystemTime) -> Self {
        Self { servers, at, lasts: RENEW_AFTER }
    }

    /// None could be had: what there was is kept.
    fn failed(servers: Vec<IceServer>, at: SystemTime) -> Self {
        Self { servers, at, lasts: RETRY_AFTER }
    }

    /// Also after the clock was set back, when nobody knows how old they are.
    fn is_due(&self, now: SystemTime) -> bool {
        now.duration_since(self.at).is_ok_and(|age| age >= self.lasts) || now < self.at
    }
}

impl Servers {
    /// Without them a call can still connect directly, so only the end of the session is an error.
    /// The sentence beside them is for the user, who should know before the first match who learns
    /// the own address.
    pub(super) async fn fetch(
        api: Arc<Api>,
        way: Option<Way>,
    ) -> Result<(Self, Option<String>), Error> {
        let (first, without) = match api.turn_credentials().await {
            Ok(credentials) => {
                let has_relay = have_relay(&credentials.ice_servers);
                let without = (!has_relay).then(|| "This server has no relay".to_owned());
                (Fetched::new(credentials.ice_servers, clock::date()), without)
            }
            Err(error @ (Error::SessionExpired(_) | Error::NotLoggedIn(_))) => return Err(error),
            Err(error) => {
                let without = format!("No relay could be asked for ({error})");
                (Fetched::failed(Vec::new(), clock::date()), Some(without))
            }
        };
        let notice = without.map(|without| match way {
            Some(Way::RelayOnly) => format!("{without}, so no call will connect."),
            Some(Way::Direct | Way::RelayFirst) | None => {
                format!("{without}: strangers will see your address.")
            }
        });
        let fetch = move || {
            let api = api.clone();
            async move { api.turn_credentials().await.ok().map(|got| got.ice_servers) }
        };
        Ok((Self::keep(first, fetch, clock::date), notice))
    }

    fn keep<F>(
        first: Fetched,
        fetch: impl Fn() -> F + Send + 'static,
        now: fn() -> SystemTime,
    ) -> Self
    where
        F: Future<Output = Option<Vec<IceServer>>> + Send + 'static,
    {
        let (sender, newest) = watch::channel(first);
        let wanted = Arc::new(Notify::new());
        #[expect(clippy::disallowed_methods, reason = "aborted with the servers it renews")]
        let task = tokio::spawn(renew(fetch, sender, wanted.clone(), now));
        Self { newest, wanted, now, renewal: task.abort_handle() }
    }

    /// None, for tests: nothing is fetched.
    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self::keep(Fetched::new(Vec::new(), clock::date()), std::future::pending, clock::date)
    }

    /// The newest. Those that have expired, as after a night asleep, are renewed first.
    pub(super) async fn list(&mut self) -> Vec<IceServer> {
        if self.newest.borrow_and_update().is_due((self.now)()) {
            self.wanted.notify_one();
            let _ = timeout(WAIT, self.newest.changed()).await;
        }
        self.newest.borrow().servers.clone()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew<F>(
    fetch: impl Fn() -> F,
    newest: watch::Sender<Fetched>,
    wanted: Arc<Notify>,
    now: fn() -> SystemTime,
) where
    F: Future<Output = Option<Vec<IceServer>>>,
{
    loop {
        tokio::select! {
            () = sleep(LOOK) => {}
            () = wanted.notified() => {}
        }
        if newest.borrow().is_due(now()) {
            let fetched = match fetch().await {
                Some(servers) => Fetched::new(servers, now()),
                None => Fetched::failed(newest.borrow().servers.clone(), now()),
            };
            newest.send_replace(fetched);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

    use super::*;

    fn server(urls: &str) -> Vec<IceServer> {
        vec![IceServer { urls: urls.to_owned(), username: None, credential: None }]
    }

    fn urls(servers: &[IceServer]) -> Vec<&str> {
        servers.iter().map(|server| server.urls.as_str()).collect()
    }

    fn after(minutes: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + minutes * 60)
    }

    #[test]
    fn they_last_for_fifty_minutes_of_the_day() {
        let fetched = Fetched::new(Vec::new(), after(0));
        let due = [0, 49, 50, 600].map(|minutes| fetched.is_due(after(minutes)));
        assert_eq!(due, [false, false, true, true]);
        assert!(Fetched::new(Vec::new(), after(1)).is_due(after(0)), "the clock was set back");
        assert!(Fetched::failed(Vec::new(), after(0)).is_due(after(1)));
    }

    /// The lid is closed for a night: on the monotonic clock, no time has passed.
    #[tokio::test]
    async fn what_expired_in_sleep_is_renewed_before_it_is_used() {
        static MINUTES: AtomicU64 = AtomicU64::new(0);
        let now = || after(MINUTES.load(Relaxed));
        let fetch = || async { Some(server("turn:new.example")) };
        let mut servers =
            Servers::keep(Fetched::new(server("turn:old.example"), now()), fetch, now);
        assert_eq!(urls(&servers.list().await), ["turn:old.example"]);
        MINUTES.store(8 * 60, Relaxed);
        assert_eq!(urls(&servers.list().await), ["turn:new.example"]);
    }

    /// Without the server there is what there was: a relay may take it yet, or none be needed.
    #[tokio::test]
    async fn what_cannot_be_renewed_is_kept() {
        static MINUTES: AtomicU64 = AtomicU64::new(0);
        let now = || after(MINUTES.load(Relaxed));
        let fetch = || async { None };
        let mut servers =
            Servers::keep(Fetched::new(server("turn:old.example"), now()), fetch, now);
        MINUTES.store(60, Relaxed);
        assert_eq!(urls(&servers.list().await), ["turn:old.example"]);
    }
}
