//! The end that lets calls finish.

use std::time::Duration;

use tokio::sync::watch;

use super::Services;
use crate::hub::Standing;

/// How often it is asked whether the last room is over.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Whether the server is to end, and how long calls may go on until then.
pub(crate) struct Drain(watch::Sender<Option<Duration>>);

impl Drain {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl Services {
    /// Matches nobody from now on; the server ends once calls are over, or after `grace`.
    pub(crate) fn begin_drain(&self, grace: Duration) {
        self.drain.0.send_if_modified(|asked| {
            let is_first = asked.is_none();
            *asked = asked.or(Some(grace));
            is_first
        });
    }

    /// Whether it was asked to end.
    pub(crate) fn is_draining(&self) -> bool {
        self.drain.0.borrow().is_some()
    }

    /// Returns when the server was asked to end and may.
    pub(crate) async fn drained(&self) {
        let mut asked = self.drain.0.subscribe();
        let grace = match asked.wait_for(Option::is_some).await {
            Ok(asked) => asked.unwrap_or_default(),
            // The sender is ours.
            Err(_) => return,
        };
        tracing::info!(seconds = grace.as_secs(), "server is draining");
        self.hub.drain(grace).await;
        let over = async {
            while !self.is_deserted().await {
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        if tokio::time::timeout(grace, over).await.is_err() {
            tracing::info!("server waits for calls no longer");
        }
    }

    /// Whether the server may go: no room has a member here, and no connection is left that may go to
    /// another node.
    async fn is_deserted(&self) -> bool {
        let Standing { has_rooms, is_evacuating, .. } = self.hub.standing().await;
        !has_rooms && (!is_evacuating || self.hub.counts().await.connections == 0)
    }

    /// Whether who connects is to do so at another server.
    pub(crate) async fn sends_away(&self) -> bool {
        self.is_draining() && self.hub.standing().await.is_evacuating
    }
}
