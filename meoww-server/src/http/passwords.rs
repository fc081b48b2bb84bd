//! Passwords: changing one's own, and choosing a new one when it is forgotten.

use std::sync::Arc;

use axum::{Json, extract::State};
use axum_extra::extract::CookieJar;
use meoww_proto::{
    account::{ChangePasswordRequest, Done, ForgotPasswordRequest, ResetPasswordRequest, Session},
    error::ApiErrorCode,
};

use super::{
    auth::{self, Authenticated},
    body::Body,
    client::Agent,
    cookies,
    error::Refusal,
};
use crate::{
    clock,
    core::{
        account::Email,
        otp::{Challenge, Code, Subject},
    },
    mail::Letter,
    services::Services,
};

/// `POST /api/auth/password`.
pub(crate) async fn change(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
    Agent(client): Agent,
    body: Result<Body<ChangePasswordRequest>, Refusal>,
) -> Result<(CookieJar, Json<Session>), Refusal> {
    let Body(request) = body?;
    auth::demand_password(&services, &account, request.current_password).await?;
    let password_hash = services.hasher.hash_choice(request.new_password, account.known()).await?;
    let now = clock::now();
    let opening = services.draw_session(account.id, client, now);
    let user = services.user(&account);
    if !services.change_password(account, password_hash, &opening).await? {
        return Err(auth::wrong_password());
    }
    Ok((cookies::set(&services, opening.bearer(), &opening.refresh, now), Json(Session { user })))
}

/// `POST /api/auth/password/forgot`. Whether there is such an account shows neither in the answer
/// nor in the time it takes: the work is done after it.
pub(crate) async fn forgot(
    State(services): State<Arc<Services>>,
    body: Result<Body<ForgotPasswordRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let Body(request) = body?;
    let email = Email::parse(&request.email)?;
    let place = services.background.place().ok_or(Refusal::Busy)?;
    services.gates.admit_code(None, &email)?;
    services.background.run(place, send_code(services.clone(), email));
    let message = "If there is such an account, a code is on its way.".into();
    Ok(Json(Done { message }))
}

async fn send_code(services: Arc<Services>, email: Email) {
    let now = clock::now();
    let code = Code::draw(&mut rand::rng());
    let seal = code.seal(&services.otp_key, Subject::Reset(&email));
    match services.store.begin_reset(email.clone(), Challenge::issue(seal, now)).await {
        Ok(None) => {}
        Ok(Some(account)) => {
            if let Err(error) =
                services.mailer.send(&email, Letter::ResetPassword(&code), now).await
            {
                tracing::error!(%error, user = %account.id, "code not sent");
            }
        }
        Err(error) => tracing::error!(%error, "no code for a forgotten password"),
    }
}

/// `POST /api/auth/password/reset`. One answer for every way a code can be no good, as some of
/// them would say that there is such an account.
pub(crate) async fn reset(
    State(services): State<Arc<Services>>,
    body: Result<Body<ResetPasswordRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let refused = || Refusal::Rejected(ApiErrorCode::InvalidOtp, "Invalid or expired OTP".into());
    let Body(request) = body?;
    let email = Email::parse(&request.email)?;
    let code = Code::parse(&request.otp).ok_or_else(refused)?;
    let known = vec![email.as_str().to_owned()];
    let password_hash = services.hasher.hash_choice(request.new_password, known).await?;
    let seal = code.seal(&services.otp_key, Subject::Reset(&email));
    if !services.reset_password(email, seal, password_hash).await? {
        return Err(refused());
    }
    Ok(Json(Done { message: "Your password was changed. Please login.".into() }))
}
