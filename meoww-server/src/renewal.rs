//! Password hashes of the Node.js backend, replaced when their owners log in.

use crate::{app::App, core::account::Account};

impl App {
    /// Takes the place of a bcrypt hash whose password was just right. If it fails, the old hash
    /// is good until the next login.
    pub(crate) async fn renew_hash(&self, account: &Account, password: String) {
        let new = match self.hasher.hash_again(password).await {
            Ok(new) => new,
            Err(error) => {
                tracing::warn!(%error, user = %account.id, "password not hashed again");
                return;
            }
        };
        let old = account.password_hash.clone();
        if let Err(error) = self.store.renew_hash(account.id, old, new).await {
            tracing::error!(%error, user = %account.id, "new password hash not stored");
        }
    }
}
