//! Passwords: changed by their owner, reset with a mailed code, or set by an operator. All other
//! sessions end with the old one.

use std::sync::Arc;

use meoww_proto::UserId;

use super::{Refusal, Services, sessions::Opening};
use crate::{
    clock,
    core::{
        account::{Account, Email},
        device::Guesser,
        otp::{Challenge, Seal, Subject},
    },
    hub::ConnectionSelector,
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
                services.close(ConnectionSelector::OtherSessions(bearer)).await;
            }
            Ok(changed)
        })
        .await
    }

    /// Mails a code to an address, if it has an account; returns before that.
    pub(crate) async fn forgot_password(
        self: &Arc<Self>,
        email: Email,
        asker: Guesser,
    ) -> Result<(), Refusal> {
        let place = self.background.permit().ok_or(Refusal::Busy)?;
        let counted = self.rate_limiters.admit_reset_code(&email, asker).await?;
        let services = self.clone();
        self.background.run(place, async move {
            if let Err(error) = services.send_reset_code(email, asker).await {
                tracing::error!(%error, "no code for a forgotten password");
                services.rate_limiters.reset_code.forgive(counted).await;
            }
        });
        Ok(())
    }

    async fn send_reset_code(
        self: &Arc<Self>,
        email: Email,
        asker: Guesser,
    ) -> Result<(), StoreError> {
        let (now, subject) = (clock::now(), Subject::Reset(&email));
        let fresh = Challenge::generate(&self.otp_key, subject, &mut rand::rng(), now);
        let begun = self.store.begin_reset(email, fresh, asker.presenter(), now).await?;
        if let Some(mail) = begun {
            // Its permit is free while the mail server takes its time.
            self.deliver_later(mail);
        }
        Ok(())
    }

    /// Sets a new password with a mailed code and says whose; `None` if the code is no good.
    pub(crate) async fn reset_password(
        self: &Arc<Self>,
        email: Email,
        seal: Seal,
        guesser: Guesser,
        password_hash: String,
    ) -> Result<Option<UserId>, Refusal> {
        self.finish(async move |services: Arc<Self>| {
            let tries = &services.rate_limiters.reset_tries;
            let counted = tries.admit((email.clone(), guesser)).await?;
            let (now, candidate) = (clock::now(), (seal, guesser.presenter()));
            let store = &services.store;
            let reset = store.reset_password(email, candidate, password_hash, now).await;
            if !matches!(reset, Ok(None)) {
                tries.forgive(counted).await;
            }
            let reset = reset?;
            if let Some(user) = reset {
                services.close(ConnectionSelector::User(user)).await;
            }
            Ok(reset)
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
            services.close(ConnectionSelector::User(user)).await;
            Ok(changed)
        })
        .await
    }
}
