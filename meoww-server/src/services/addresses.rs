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
            let rate_limiters = &services.rate_limiters;
            let counted = rate_limiters.admit_code(Some(user), &email).await?;
            let now = clock::now();
            let (key, subject) = (&services.otp_key, Subject::ChangeEmail(user));
            let fresh = Challenge::generate(key, subject, &mut rand::rng(), now);
            let queued = services.store.begin_address_change(user, email, fresh, now).await;
            match queued {
                Ok(Some(_)) => {}
                Ok(None) => rate_limiters.forgive_mailbox(counted).await,
                Err(_) => rate_limiters.forgive_code(counted).await,
            }
            services.deliver_or_refuse(queued?.ok_or_else(Refusal::address_taken)?).await
        })
        .await
    }

    /// Changes the address with the mailed code, and mails a notice to the old one. The change stands,
    /// whatever becomes of that.
    pub(crate) async fn confirm_address(
        self: &Arc<Self>,
        user: UserId,
        seal: Seal,
    ) -> Result<AddressConfirmation, Refusal> {
        self.finish(async move |services: Arc<Self>| {
            let confirmed = services.store.confirm_address(user, seal, clock::now()).await?;
            if let AddressConfirmation::Changed { notice, .. } = &confirmed {
                services.deliver_later(notice.clone());
            }
            Ok(confirmed)
        })
        .await
    }
}
