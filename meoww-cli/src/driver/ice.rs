//! The ICE servers, asked for before they are needed and again before they expire.

use std::{sync::Arc, time::Duration};

use meoww_proto::account::IceServer;
use tokio::{sync::watch, task::AbortHandle, time::sleep};

use crate::{api::Api, error::Error};

/// Credentials live for an hour; a call begun with the old ones needs a few minutes of them.
const RENEW_AFTER: Duration = Duration::from_secs(50 * 60);
const RETRY_AFTER: Duration = Duration::from_secs(60);

/// Kept fresh until dropped.
pub(super) struct Servers {
    newest: watch::Receiver<Vec<IceServer>>,
    renewal: AbortHandle,
}

impl Servers {
    /// Without them a call can still connect directly, so only the end of the session is an error.
    /// The sentence beside them is for the user.
    pub(super) async fn fetch(api: Arc<Api>) -> Result<(Self, Option<String>), Error> {
        let (first, notice) = match api.turn_credentials().await {
            Ok(credentials) => (credentials.ice_servers, None),
            Err(error @ (Error::SessionExpired(_) | Error::NotLoggedIn(_))) => return Err(error),
            Err(error) => (Vec::new(), Some(format!("No relay to fall back on: {error}"))),
        };
        let wait = if notice.is_none() { RENEW_AFTER } else { RETRY_AFTER };
        let (sender, newest) = watch::channel(first);
        #[expect(clippy::disallowed_methods, reason = "aborted with the servers it renews")]
        let task = tokio::spawn(renew(api, sender, wait));
        Ok((Self { newest, renewal: task.abort_handle() }, notice))
    }

    /// The newest.
    pub(super) fn list(&self) -> Vec<IceServer> {
        self.newest.borrow().clone()
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}

async fn renew(api: Arc<Api>, newest: watch::Sender<Vec<IceServer>>, mut wait: Duration) {
    loop {
        sleep(wait).await;
        wait = match api.turn_credentials().await {
            Ok(credentials) => {
                newest.send_replace(credentials.ice_servers);
                RENEW_AFTER
            }
            Err(_) => RETRY_AFTER,
        };
    }
}
