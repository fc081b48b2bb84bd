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
    device::Device,
    error::Refusal,
};
use crate::{
    clock,
    core::{
        account::Email,
        otp::{Code, Subject},
    },
    services::Services,
};

/// `POST /api/auth/password`.
pub(crate) async fn change(
    State(services): State<Arc<Services>>,
    authenticated: Authenticated,
    Agent(client): Agent,
    body: Result<Body<ChangePasswordRequest>, Refusal>,
) -> Result<(CookieJar, Json<Session>), Refusal> {
    let Body(request) = body?;
    auth::demand_password(&services, &authenticated, request.current_password).await?;
    let account = authenticated.account;
    let password_hash = services.hasher.hash_choice(request.new_password, account.known()).await?;
    let now = clock::now();
    let opening = services.generate_session(account.id, client, now);
    let user = services.user(&account);
    if !services.change_password(account, password_hash.clone(), &opening).await? {
        return Err(auth::wrong_password());
    }
    let jar = cookies::set(&services, opening.bearer(), &opening.refresh, now);
    let jar = cookies::remember_device(&services, jar, user.id, &password_hash);
    Ok((jar, Json(Session { user })))
}

/// `POST /api/auth/password/forgot`. Whether there is such an account shows neither in the answer
/// nor in the time it takes: the work is done after it.
pub(crate) async fn forgot(
    State(services): State<Arc<Services>>,
    device: Device,
    body: Result<Body<ForgotPasswordRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let Body(request) = body?;
    let email = Email::parse(&request.email)?;
    let asker = device.guesser(&email);
    services.forgot_password(email, asker).await?;
    let message = "If there is such an account, a code is on its way.".into();
    Ok(Json(Done { message }))
}

/// `POST /api/auth/password/reset`. One answer for every way a code can be no good, as some of
/// them would say that there is such an account. The device that had the code is known from then on:
/// it is the way back in for who is locked out by the guesses of others.
pub(crate) async fn reset(
    State(services): State<Arc<Services>>,
    device: Device,
    body: Result<Body<ResetPasswordRequest>, Refusal>,
) -> Result<(CookieJar, Json<Done>), Refusal> {
    let refused = || Refusal::Rejected(ApiErrorCode::InvalidOtp, "Invalid or expired OTP".into());
    let Body(request) = body?;
    let email = Email::parse(&request.email)?;
    let code = Code::parse(&request.otp).ok_or_else(refused)?;
    let known = vec![email.as_str().to_owned()];
    let password_hash = services.hasher.hash_choice(request.new_password, known).await?;
    let seal = code.seal(&services.otp_key, Subject::Reset(&email));
    let guesser = device.guesser(&email);
    let user = services.reset_password(email, seal, guesser, password_hash.clone()).await?;
    let user = user.ok_or_else(refused)?;
    let jar = cookies::remember_device(&services, CookieJar::new(), user, &password_hash);
    Ok((jar, Json(Done { message: "Your password was changed. Please login.".into() })))
}
