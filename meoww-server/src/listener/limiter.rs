//! How many may be connected, in all and by address.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use ipnet::IpNet;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{config::Config, core::limits::Network};

/// File descriptors for everything that is no connection of a client: the database, mail, photos.
const RESERVED_FILES: u64 = 128;
/// Where the system sets no limit.
const MANY: u64 = 1 << 20;

/// Most connections at a time.
#[derive(Debug, Clone)]
pub(crate) struct Bounds {
    pub(crate) connections: usize,
    /// Of one client's [`Network`].
    pub(crate) per_address: usize,
    /// Proxies speak for many.
    pub(crate) proxies: Vec<IpNet>,
}

impl Bounds {
    /// As configured, or else as many as the system gives us files for.
    pub(crate) fn from_config(config: &Config) -> Self {
        let files = raise_file_limit();
        let connections = config.max_connections.map_or_else(
            || usize::try_from(files.saturating_sub(RESERVED_FILES)).unwrap_or(usize::MAX).max(1),
            |most| most as usize,
        );
        tracing::info!(connections, files, "listener bounds connections");
        let per_address = config.max_connections_per_address as usize;
        Self { connections, per_address, proxies: config.trusted_proxies.clone() }
    }
}

/// Takes as many file descriptors as we may; gives how many that are.
fn raise_file_limit() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(MANY).min(MANY);
    let raised = Rlimit { current: Some(most), maximum: limit.maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => most,
        Err(_) => limit.current.unwrap_or(most),
    }
}

pub(super) struct ConnectionLimiter {
    all: Arc<Semaphore>,
    bounds: Bounds,
    /// How many each client has, for those who have any.
    taken: Mutex<HashMap<Network, usize>>,
}

/// Room for one more, whoever it is.
pub(super) type Permit = OwnedSemaphorePermit;

/// One connection's place, given back when dropped.
pub(super) struct ConnectionPermit {
    limiter: Arc<ConnectionLimiter>,
    client: Option<Network>,
    _permit: Permit,
}

impl ConnectionLimiter {
    pub(super) fn new(bounds: Bounds) -> Arc<Self> {
        let all = Arc::new(Semaphore::new(bounds.connections.min(Semaphore::MAX_PERMITS)));
        Arc::new(Self { all, bounds, taken: Mutex::default() })
    }

    /// Waits for room. Those who connect meanwhile wait in the system's backlog.
    pub(super) async fn permit(&self) -> Permit {
        if self.all.available_permits() == 0 {
            tracing::warn!("listener reached its bound; new connections wait");
        }
        match self.all.clone().acquire_owned().await {
            Ok(permit) => permit,
            Err(_) => unreachable!("the semaphore is never closed"),
        }
    }

    /// `None` if the client has its share already.
    pub(super) fn take(
        self: &Arc<Self>,
        address: IpAddr,
        permit: Permit,
    ) -> Option<ConnectionPermit> {
        let client = self.counted(address);
        if let Some(client) = client {
            let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
            let mine = taken.entry(client).or_default();
            if *mine >= self.bounds.per_address {
                return None;
            }
            *mine += 1;
        }
        Some(ConnectionPermit { limiter: self.clone(), client, _permit: permit })
    }

    /// Whom a connection counts for; nobody, for proxies and this machine.
    fn counted(&self, address: IpAddr) -> Option<Network> {
        let address = address.to_canonical();
        let is_proxy = || self.bounds.proxies.iter().any(|net| net.contains(&address));
        (!address.is_loopback() && !is_proxy()).then(|| Network::of(address))
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let Some(client) = self.client else { return };
        let mut taken = self.limiter.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(mine) = taken.get_mut(&client) {
            *mine -= 1;
            if *mine == 0 {
                taken.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter(connections: usize, per_address: usize) -> Arc<ConnectionLimiter> {
        let proxies = vec!["10.0.0.0/8".parse().expect("a network")];
        ConnectionLimiter::new(Bounds { connections, per_address, proxies })
    }

    async fn take(limiter: &Arc<ConnectionLimiter>, address: &str) -> Option<ConnectionPermit> {
        let permit = limiter.permit().await;
        limiter.take(address.parse().expect("an address"), permit)
    }

    #[tokio::test]
    async fn a_client_has_its_share_and_no_more() {
        let limiter = limiter(100, 2);
        let first = take(&limiter, "192.0.2.1").await;
        let _second = take(&limiter, "::ffff:192.0.2.1").await.expect("its share");
        assert!(take(&limiter, "192.0.2.1").await.is_none());
        let _other = take(&limiter, "192.0.2.2").await.expect("somebody else");
        drop(first);
        assert!(take(&limiter, "192.0.2.1").await.is_some());

        let _v6 = (
            take(&limiter, "2001:db8:0:1::1").await.expect("its share"),
            take(&limiter, "2001:db8:0:1:ffff::2").await.expect("its share"),
        );
        assert!(take(&limiter, "2001:db8:0:1::3").await.is_none(), "the same network");
        assert!(take(&limiter, "2001:db8:0:2::1").await.is_some());
        drop((_second, _other, _v6));
        assert!(limiter.taken.lock().expect("sound").is_empty(), "nothing is kept of the gone");
    }

    #[tokio::test]
    async fn proxies_and_this_machine_have_any_number() {
        let limiter = limiter(100, 1);
        let mut held = Vec::new();
        for address in ["10.1.2.3", "127.0.0.1", "::1"] {
            for _ in 0..5 {
                held.push(take(&limiter, address).await.expect("not counted"));
            }
        }
    }

    #[tokio::test]
    async fn the_next_waits_until_one_has_gone() {
        let limiter = limiter(1, 10);
        let held = take(&limiter, "192.0.2.1").await.expect("room");
        let next = take(&limiter, "192.0.2.2");
        tokio::pin!(next);
        assert!(futures_util::poll!(&mut next).is_pending());
        drop(held);
        assert!(next.await.is_some());
    }
}
