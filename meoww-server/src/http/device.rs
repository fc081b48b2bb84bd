//! Whether a request comes from a device that its account was used on before: such a device is
//! counted apart from the network it is in.

use std::sync::Arc;

use axum::{
    extract::{FromRef, FromRequestParts},
    http::{HeaderMap, request::Parts},
};
use meoww_proto::{UserId, account::DEVICE_COOKIE};

use super::{auth, client::Client, error::Refusal};
use crate::{
    bearer,
    core::{
        account::{Account, Email},
        device::{DeviceId, DeviceToken, Guesser},
        limits::Network,
    },
    services::Services,
    store::StoreError,
};

/// The device a request comes from, and the network it is in.
pub(crate) struct Device {
    network: Network,
    known: Option<(Account, DeviceId)>,
}

impl Device {
    /// Where a guess at something of the account with this address comes from.
    pub(crate) fn guesser(&self, email: &Email) -> Guesser {
        match &self.known {
            Some((account, device)) if account.email == *email => Guesser::Device(*device),
            Some(_) | None => Guesser::Network(self.network),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Device
where
    Arc<Services>: FromRef<S>,
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let services = Arc::<Services>::from_ref(state);
        let Client(client) = Client::from_request_parts(parts, state).await?;
        let known = known_device(&services, &parts.headers).await?;
        Ok(Self { network: Network::of(client), known })
    }
}

/// The account that a request shows to belong to: by a live session, or by a device it was used on.
pub(crate) async fn known_account(
    services: &Services,
    headers: &HeaderMap,
) -> Result<Option<UserId>, StoreError> {
    if let Some((account, _)) = auth::live_session(services, headers).await? {
        return Ok(Some(account.id));
    }
    Ok(known_device(services, headers).await?.map(|(account, _)| account.id))
}

/// The account is looked up by the id in the token, never by an address that somebody wrote, so that
/// the time it takes tells nothing about addresses.
async fn known_device(
    services: &Services,
    headers: &HeaderMap,
) -> Result<Option<(Account, DeviceId)>, StoreError> {
    let token = bearer::cookie(headers, DEVICE_COOKIE);
    let Some(token) = token.and_then(|text| DeviceToken::parse(&text)) else { return Ok(None) };
    let Some(account) = services.store.account(token.user()).await? else { return Ok(None) };
    let device = token.verify(&services.otp_key, account.id, &account.password_hash);
    Ok(device.map(|device| (account, device)))
}
