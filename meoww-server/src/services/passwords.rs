//! Passwords: changed by their owner, reset with a mailed code, or set by an operator. All other
//! sessions end with the old one.

use std::sync::Arc;

use meoww_proto::UserId;

use super::{Services, sessions::Opening};
use crate::{
    clock,
    core::{
        account::{Account, Email},
        otp::Seal,
    },
    hub::Whose,
    store::StoreError,
};

impl Services {
    /// Changes a password and opens the one session that is left; `false` if the account was given
    /// another password meanwhile.
    pub(crate) async fn change_password(
        self: &Arc<Self>,
        account: Account,
        password_hash: String,
        opening: &Opening,
    ) -> Result<bool, StoreError> {
        let (record, bearer) = (opening.record(), opening.bearer());
        self.finish(async move |services: Arc<Self>| {
            let changed = services.store.change_password(account, password_hash, record).await?;
            if changed {
                services.close(Whose::OtherSessions(bearer)).await;
            }
            Ok(changed)
        })
        .await
    }

    /// Sets a new password with a mailed code; `false` if the code is no good.
    pub(crate) async fn reset_password(
        self: &Arc<Self>,
        email: Email,
        seal: Seal,
        password_hash: String,
    ) -> Result<bool, StoreError> {
        self.finish(async move |services: Arc<Self>| {
            let now = clock::now();
            let reset = services.store.reset_password(email, seal, password_hash, now).await?;
            if let Some(user) = reset {
                services.close(Whose::User(user)).await;
            }
            Ok(reset.is_some())
        })
        .await
    }

    /// Sets a new password for somebody; `None` if there is no such account.
    pub(crate) async fn set_password(
        self: &Arc<Self>,
        user: UserId,
        password_hash: String,
    ) -> Result<Option<Account>, StoreError> {
        self.finish(async move |services: Arc<Self>| {
            let changed = services.store.set_password(user, password_hash).await?;
            services.close(Whose::User(user)).await;
            Ok(changed)
        })
        .await
    }
}
