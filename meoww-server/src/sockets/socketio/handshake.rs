//! Who connects. The token comes with the request that opens the transport; its session is looked
//! up when the client asks to be let in, which may be a while later.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::{Arc, Mutex, PoisonError},
};

use axum::http::{HeaderMap, header};
use meoww_proto::account::ACCESS_COOKIE;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    bearer, clock,
    core::limits::Network,
    services::Services,
    tokens::{AccessTokens, Bearer},
};

/// Transports of one address without a valid token: enough to tell a household what is wrong.
const MAX_STRANGERS_EACH: usize = 32;
/// Such transports of all addresses, some 10 KB each.
const MAX_STRANGERS: usize = 4096;

/// The Node.js backend's words, which its web front end knows.
const NO_COOKIES: &str = "Authentication error: No cookies found";
const NO_TOKEN: &str = "Authentication error: No access token";
const BANNED: &str = "Authentication error: Account banned";
const INVALID: &str = "Authentication error: Invalid token";
const FAILED: &str = "Something went wrong!";

/// Counts strangers: transports without a valid token.
pub(super) struct Door {
    all: Arc<Semaphore>,
    by_network: Arc<Mutex<HashMap<Network, usize>>>,
}

/// A client that opened a transport and was not let in yet.
pub(super) struct Handshake {
    bearer: Result<Bearer, &'static str>,
    _stranger: Option<Stranger>,
}

/// One counted transport; dropping it gives its place back.
struct Stranger {
    network: Network,
    by_network: Arc<Mutex<HashMap<Network, usize>>>,
    _permit: OwnedSemaphorePermit,
}

impl Door {
    pub(super) fn new() -> Self {
        Self { all: Arc::new(Semaphore::new(MAX_STRANGERS)), by_network: Arc::default() }
    }

    /// Checks the token of a client; `None` if it has none that is valid, and its address has too
    /// many such transports already.
    pub(super) fn knock(
        &self,
        network: Network,
        headers: &HeaderMap,
        tokens: &AccessTokens,
    ) -> Option<Handshake> {
        let bearer = presented(headers).and_then(|token| tokens.check(&token).ok_or(INVALID));
        let stranger = match &bearer {
            Ok(_) => None,
            Err(_) => Some(self.stranger(network)?),
        };
        Some(Handshake { bearer, _stranger: stranger })
    }

    fn stranger(&self, network: Network) -> Option<Stranger> {
        let permit = self.all.clone().try_acquire_owned().ok()?;
        let mut counts = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(network).or_default();
        if *count >= MAX_STRANGERS_EACH {
            return None;
        }
        *count += 1;
        Some(Stranger { network, by_network: self.by_network.clone(), _permit: permit })
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let mut counts = self.by_network.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut entry) = counts.entry(self.network) {
            *entry.get_mut() -= 1;
            if *entry.get() == 0 {
                entry.remove();
            }
        }
    }
}

pub(crate) fn presented(headers: &HeaderMap) -> Result<String, &'static str> {
    if let Some(token) = bearer::bearer_token(headers) {
        return Ok(token);
    }
    if !headers.contains_key(header::COOKIE) {
        return Err(NO_COOKIES);
    }
    bearer::cookie(headers, ACCESS_COOKIE).ok_or(NO_TOKEN)
}

impl Handshake {
    /// Looks the session up.
    pub(super) async fn admit(&self, services: &Services) -> Result<Bearer, &'static str> {
        let bearer = self.bearer?;
        let now = clock::now();
        let account = services.store.session_account(bearer.session, now).await;
        let account = account.map_err(|error| {
            tracing::error!(%error, "could not look up a session");
            FAILED
        })?;
        let account = account.filter(|account| account.id == bearer.user).ok_or(INVALID)?;
        if account.ban_in_force(now).is_some() { Err(BANNED) } else { Ok(bearer) }
    }
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use super::*;

    fn network(n: u8) -> Network {
        Network::of(IpAddr::from([192, 0, 2, n]))
    }

    #[test]
    fn strangers_of_one_address_keep_out_only_each_other() {
        let (door, tokens) = (Door::new(), AccessTokens::new(&[7; 32], Duration::from_secs(60)));
        let knock = |n| door.knock(network(n), &HeaderMap::new(), &tokens);
        let mut crowd: Vec<_> = std::iter::from_fn(|| knock(1)).collect();
        assert_eq!(crowd.len(), MAX_STRANGERS_EACH);
        let other = knock(2);
        assert!(other.is_some(), "another address is told what is wrong");
        drop((crowd.pop(), other));
        assert!(knock(1).is_some(), "a place that was given back is free");
        crowd.clear();
        assert!(door.by_network.lock().expect("no panic").is_empty(), "nothing is remembered");
    }
}
