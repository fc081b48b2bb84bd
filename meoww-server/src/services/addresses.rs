//! Changing the address of an account: a code to the new one, a notice to the old one.

use std::sync::Arc;

use meoww_proto::UserId;

use super::{Refusal, Services};
use crate::{
    clock,
    core::{
        account::Email,
        otp::{Challenge, Seal, Subject},
    },
    mail::Letter,
    store::AddressConfirmation,
};

impl Services {
    /// Mails a code to the address that an account is to have.
    pub(crate) async fn request_address(
        self: &Arc<Self>,
        user: UserId,
        email: Email,
    ) -> Result<(), Refusal> {
        self.finish(async move |services: Arc<Self>| {
            services.rate_limiters.admit_code(Some(user), &email)?;
            let now = clock::now();
            let (key, subject) = (&services.otp_key, Subject::ChangeEmail(user));
            let fresh = Challenge::generate(key, subject, &mut rand::rng(), now);
            let queued = services.store.begin_address_change(user, email, fresh, now).await?;
            services.deliver_or_refuse(queued.ok_or_else(Refusal::address_taken)?).await
        })
        .await
    }

    /// Changes the address with the mailed code. The old one is told afterwards; the change stands,
    /// whatever becomes of that.
    pub(crate) async fn confirm_address(
        self: &Arc<Self>,
        user: UserId,
        seal: Seal,
    ) -> Result<AddressConfirmation, Refusal> {
        let place = self.background.permit().ok_or(Refusal::Busy)?;
        self.finish(async move |services: Arc<Self>| {
            let confirmed = services.store.confirm_address(user, seal, clock::now()).await?;
            if let AddressConfirmation::Changed { account, old } = &confirmed {
                let notice = services.clone().send_notice(old.clone(), account.email.clone());
                services.background.run(place, notice);
            }
            Ok(confirmed)
        })
        .await
    }

    async fn send_notice(self: Arc<Self>, old: Email, new: Email) {
        if let Err(error) = self.mailer.send(&old, Letter::EmailChanged(&new), clock::now()).await {
            tracing::error!(%error, "notice of a changed address not sent");
        }
    }
}
