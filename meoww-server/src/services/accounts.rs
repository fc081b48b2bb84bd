//! Accounts: signed up, shut out, and removed.

use std::sync::Arc;

use meoww_proto::{
    UserId,
    error::{ApiErrorCode, SignalErrorCode},
};

use super::{Refusal, Services, mail_queue::FirstTry};
use crate::{
    clock,
    core::{
        account::{Account, Ban},
        mail_queue::MailSubject,
        otp::{Challenge, Subject},
    },
    hub::ConnectionSelector,
    photos::Photo,
    store::{Creation, Reissue, StoreError},
};

impl Services {
    /// Makes an account that waits for its code; taken back if its photo cannot be kept, or the mail
    /// server refuses the mail or cannot be reached.
    pub(crate) async fn sign_up(
        self: &Arc<Self>,
        account: Account,
        photo: Option<Photo>,
    ) -> Result<(), Refusal> {
        self.finish(async move |services: Arc<Self>| {
            let now = account.created_at;
            let (key, subject) = (&services.otp_key, Subject::SignUp(account.id));
            let challenge = Challenge::generate(key, subject, &mut rand::rng(), now);
            let mail = challenge.mail(MailSubject::SignUp(account.id));
            let counted = services.rate_limiters.admit_code(None, &account.email).await?;
            let creation = services.store.create_account(account.clone(), challenge, now).await;
            if !matches!(creation, Ok(Creation::Created)) {
                services.rate_limiters.forgive_code(counted).await;
            }
            if let Creation::Taken = creation? {
                let message = "Email or Username already exists".into();
                return Err(Refusal::Rejected(ApiErrorCode::Taken, message));
            }
            if let Some(photo) = photo
                && let Err(error) = services.photos.put(photo).await
            {
                services.take_back(&account).await?;
                return Err(error.into());
            }
            if services.deliver(mail).await == FirstTry::Failed {
                tracing::error!(user = %account.id, "sign-up was taken back");
                services.take_back(&account).await?;
                let message = "Failed to send verification email. Please try again.";
                return Err(Refusal::Invalid(message.into()));
            }
            Ok(())
        })
        .await
    }

    async fn take_back(&self, account: &Account) -> Result<(), StoreError> {
        if self.store.discard_signup(account.id).await? {
            self.photos.remove(&account.profile_image).await;
        }
        Ok(())
    }

    /// Mails the code once more that an account waits for, or a new one where that is spoilt.
    pub(crate) async fn resend_code(self: &Arc<Self>, user: UserId) -> Result<(), Refusal> {
        self.finish(async move |services: Arc<Self>| {
            let now = clock::now();
            let (key, subject) = (&services.otp_key, Subject::SignUp(user));
            let fresh = Challenge::generate(key, subject, &mut rand::rng(), now);
            let waiting = services.store.account(user).await?;
            let counted = match waiting.filter(|account| !account.is_verified) {
                Some(waiting) => {
                    Some(services.rate_limiters.admit_code(Some(user), &waiting.email).await?)
                }
                None => None,
            };
            let reissue = services.store.reissue_otp(user, fresh, now).await;
            if let Some(counted) = counted
                && !matches!(reissue, Ok(Reissue::Queued(_)))
            {
                services.rate_limiters.forgive_code(counted).await;
            }
            match reissue? {
                Reissue::Queued(mail) => services.deliver_or_refuse(mail).await,
                Reissue::NoAccount => Err(Refusal::Invalid("User not found".into())),
                Reissue::AlreadyVerified => {
                    Err(Refusal::Invalid("User is already verified".into()))
                }
            }
        })
        .await
    }

    /// Removes an account with everything of it and closes its sockets; `None` if there was none.
    pub(crate) async fn delete_account(
        self: &Arc<Self>,
        user: UserId,
    ) -> Result<Option<Account>, StoreError> {
        self.finish(async move |services: Arc<Self>| {
            let deleted = services.store.delete_account(user).await?;
            services.close(ConnectionSelector::User(user)).await;
            if let Some(account) = &deleted {
                services.photos.remove(&account.profile_image).await;
            }
            Ok(deleted)
        })
        .await
    }

    /// Shuts an account out and closes its sockets; `None` if there is none.
    pub(crate) async fn ban(
        self: &Arc<Self>,
        user: UserId,
        ban: Ban,
    ) -> Result<Option<Account>, StoreError> {
        self.finish(async move |services: Arc<Self>| {
            let banned = services.store.set_ban(user, Some(ban)).await?;
            services.hub.close(ConnectionSelector::User(user), SignalErrorCode::Banned).await;
            Ok(banned)
        })
        .await
    }
}
