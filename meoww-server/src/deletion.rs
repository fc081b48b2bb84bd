//! The end of an account.

use meoww_proto::{UserId, error::SignalErrorCode};

use crate::{app::App, core::account::Account, hub::Whose, store::StoreError};

impl App {
    /// Removes an account with everything of it and closes its sockets; `None` if there was none.
    pub(crate) async fn delete_account(&self, user: UserId) -> Result<Option<Account>, StoreError> {
        self.store.forget_safety_of(user).await?;
        let deleted = self.store.delete_account(user).await?;
        if let Some(account) = &deleted {
            self.photos.remove(&account.profile_image).await;
        }
        self.hub.close(Whose::User(user), SignalErrorCode::SessionEnded).await;
        Ok(deleted)
    }
}
