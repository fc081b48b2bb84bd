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
    app::App,
    clock,
    core::{
        account::Email,
        otp::{Challenge, Code, Subject, Verdict},
    },
    mail::Letter,
    store::AddressConfirmation,
};

/// `POST /api/auth/email`.
pub(crate) async fn request(
    State(app): State<Arc<App>>,
    Authenticated { account, .. }: Authenticated,
    body: Result<Body<ChangeEmailRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let Body(request) = body?;
    let email = Email::parse(&request.email)?;
    auth::demand_password(&app, &account, request.password).await?;
    if email == account.email {
        let message = "That is your address already".into();
        return Err(Refusal::Rejected(ApiErrorCode::InvalidInput, message));
    }
    app.gates.admit_code(Some(account.id), &email)?;
    let now = clock::now();
    let code = Code::draw(&mut rand::rng());
    let seal = code.seal(&app.otp_key, Subject::ChangeEmail(account.id));
    let challenge = Challenge::issue(seal, now);
    if !app.store.begin_address_change(account.id, email.clone(), challenge, now).await? {
        return Err(taken());
    }
    app.mailer.send(&email, Letter::ChangeEmail(&code), now).await.map_err(|error| {
        tracing::error!(%error, user = %account.id, "code not sent");
        Refusal::Invalid("Failed to send OTP email".into())
    })?;
    Ok(Json(Done { message: "A code is on its way to your new address.".into() }))
}

/// `POST /api/auth/email/confirm`.
pub(crate) async fn confirm(
    State(app): State<Arc<App>>,
    Authenticated { account, .. }: Authenticated,
    body: Result<Body<ConfirmEmailRequest>, Refusal>,
) -> Result<Json<User>, Refusal> {
    let Body(request) = body?;
    let code = Code::parse(&request.otp).ok_or_else(|| accounts::refused(Verdict::Wrong))?;
    let place = app.background.place().ok_or(Refusal::Busy)?;
    let seal = code.seal(&app.otp_key, Subject::ChangeEmail(account.id));
    match app.store.confirm_address(account.id, seal, clock::now()).await? {
        AddressConfirmation::Changed { account, old } => {
            let user = app.user(&account);
            app.background.run(place, send_notice(app.clone(), old, account.email));
            Ok(Json(user))
        }
        AddressConfirmation::Refused(verdict) => Err(accounts::refused(verdict)),
        AddressConfirmation::Taken => Err(taken()),
        AddressConfirmation::NoChallenge => Err(accounts::no_code()),
    }
}

/// The change stands, whatever becomes of the notice.
async fn send_notice(app: Arc<App>, old: Email, new: Email) {
    if let Err(error) = app.mailer.send(&old, Letter::EmailChanged(&new), clock::now()).await {
        tracing::error!(%error, "notice of a changed address not sent");
    }
}

fn taken() -> Refusal {
    Refusal::Rejected(ApiErrorCode::Taken, "Email already exists".into())
}
