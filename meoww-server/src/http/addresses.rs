//! Changing the address of an account: a code to the new one, a notice to the old one.

use std::sync::Arc;

use axum::{Json, extract::State};
use meoww_proto::{
    account::{ChangeEmailRequest, ConfirmEmailRequest, Done, User},
    error::ApiErrorCode,
};

use super::{
    accounts,
    auth::{self, Authenticated},
    body::Body,
    error::Refusal,
};
use crate::{
    core::{
        account::Email,
        otp::{Code, Subject, Verdict},
    },
    services::Services,
    store::AddressConfirmation,
};

/// `POST /api/auth/email`.
pub(crate) async fn request(
    State(services): State<Arc<Services>>,
    authenticated: Authenticated,
    body: Result<Body<ChangeEmailRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let Body(request) = body?;
    let email = Email::parse(&request.email)?;
    auth::demand_password(&services, &authenticated, request.password).await?;
    let account = authenticated.account;
    if email == account.email {
        let message = "That is your address already".into();
        return Err(Refusal::Rejected(ApiErrorCode::InvalidInput, message));
    }
    services.request_address(account.id, email).await?;
    Ok(Json(Done { message: "A code is on its way to your new address.".into() }))
}

/// `POST /api/auth/email/confirm`.
pub(crate) async fn confirm(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
    body: Result<Body<ConfirmEmailRequest>, Refusal>,
) -> Result<Json<User>, Refusal> {
    let Body(request) = body?;
    let code = Code::parse(&request.otp).ok_or_else(|| accounts::refused(Verdict::Wrong))?;
    let seal = code.seal(&services.otp_key, Subject::ChangeEmail(account.id));
    match services.confirm_address(account.id, seal).await? {
        AddressConfirmation::Changed { account, .. } => Ok(Json(services.user(&account))),
        AddressConfirmation::Refused(verdict) => Err(accounts::refused(verdict)),
        AddressConfirmation::Taken => Err(Refusal::address_taken()),
        AddressConfirmation::NoChallenge => Err(accounts::no_code()),
    }
}
