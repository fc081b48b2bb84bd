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
    /// Closes sockets of sessions that end elsewhere, and takes over blocks that are made and taken back
    /// there, for as long as the server runs. Other nodes say so at once; the database is asked as
    /// well, in case their messages were lost.
    pub(crate) async fn watch_others(&self, mut watched: Changes) {
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // The database tells each change once, so those that were not looked up are kept here.
        let mut failed = BTreeSet::new();
        loop {
            let changes = tokio::select! {
                user = self.hub.next_revoked() => match user {
                    Some(user) => BTreeSet::from([UserChange::Session(user)]),
                    // The server ends with its hub.
                    None => std::future::pending().await,
                },
                _ = look.tick(), if self.store.is_shared() => {
                    match self.store.changed(&mut watched).await {
                        Ok(mut changes) => {
                            changes.append(&mut failed);
                            changes
                        }
                        Err(error) => {
                            tracing::warn!(%error, "could not look up what other servers did");
                            continue;
                        }
                    }
                }
            };
            failed.append(&mut self.apply_all(changes).await);
        }
    }

    /// Acts on changes about users who are connected here, and returns those for which it could not.
    async fn apply_all(&self, changes: BTreeSet<UserChange>) -> BTreeSet<UserChange> {
        let users = changes.iter().map(|change| change.user()).collect();
        let here = self.hub.of_these(users).await;
        let changes = changes.into_iter().filter(|change| here.contains(&change.user()));
        let outcomes = stream::iter(changes).map(|change| async move {
            let outcome = self.apply(change).await;
            outcome.err().map(|error| (change, error))
        });
        let failures: Vec<_> = outcomes.buffer_unordered(AT_ONCE).collect().await;
        let failures = failures.into_iter().flatten().map(|(change, error)| {
            tracing::warn!(%error, ?change, "change by another server waits for the next look");
            change
        });
        failures.collect()
    }

    async fn apply(&self, change: UserChange) -> Result<(), StoreError> {
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
