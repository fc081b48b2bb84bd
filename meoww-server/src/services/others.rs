//! What other servers on the database have done to users who are connected here.

use std::{collections::BTreeSet, time::Duration};

use futures_util::{StreamExt, stream};
use meoww_proto::{UserId, error::SignalErrorCode};
use tokio::time::MissedTickBehavior;

use super::Services;
use crate::{
    clock,
    store::{Changes, StoreError, UserChange},
};

/// How often the database is asked what has changed.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Users who are looked up at once.
const AT_ONCE: usize = 4;

impl Services {
    /// Closes sockets of sessions that end elsewhere, and takes up blocks that are made and taken back
    /// there; runs as long as the server does. Other nodes say so at once, and whatever became of
    /// their words, the database is asked.
    pub(crate) async fn heed_others(&self, mut watched: Changes) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let changes = tokio::select! {
                user = self.hub.next_revoked() => user.map(UserChange::Session).into_iter().collect(),
                _ = look.tick(), if self.store.is_shared() => {
                    self.store.changed(&mut watched).await.unwrap_or_else(|error| {
                        tracing::warn!(%error, "could not look up what other servers did");
                        BTreeSet::new()
                    })
                }
            };
            let users = changes.iter().map(|change| change.user()).collect();
            let here = self.hub.of_these(users).await;
            let changes = changes.into_iter().filter(|change| here.contains(&change.user()));
            let heeding = stream::iter(changes).for_each_concurrent(AT_ONCE, async |change| {
                if let Err(error) = self.heed(change).await {
                    tracing::error!(%error, ?change, "could not look up what another server did");
                }
            });
            heeding.await;
        }
    }

    async fn heed(&self, change: UserChange) -> Result<(), StoreError> {
        match change {
            UserChange::Session(user) => self.close_revoked(user).await,
            UserChange::Blocks(user) => self.hub.renew_blocks(user).await,
        }
    }

    async fn close_revoked(&self, user: UserId) -> Result<(), StoreError> {
        let now = clock::now();
        let account = self.store.account(user).await?;
        let is_banned = account.is_some_and(|account| account.ban_in_force(now).is_some());
        let reason =
            if is_banned { SignalErrorCode::Banned } else { SignalErrorCode::SessionEnded };
        let live = if is_banned { Vec::new() } else { self.store.sessions_of(user, now).await? };
        let live = live.iter().map(|session| session.id).collect();
        self.hub.close_all_but(user, live, reason).await;
        Ok(())
    }
}
