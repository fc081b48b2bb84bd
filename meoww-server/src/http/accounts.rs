//! Accounts: signing up, confirming the address, looking at oneself.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Request, State},
    http::StatusCode,
};
use axum_extra::extract::CookieJar;
use meoww_proto::{
    UserId,
    account::{Done, ResendRequest, Session, SignupResponse, User, VerifyRequest},
    error::ApiErrorCode,
};
use rand::RngExt;

use super::{
    auth::Authenticated, body::Body, client::Agent, cookies, error::Refusal, upload::SignupForm,
};
use crate::{
    clock,
    core::{
        account::{self, Account, Email, Name, Username},
        otp::{Code, Subject, Verdict},
    },
    photos::Photo,
    services::Services,
    store::Confirmation,
};

/// `POST /api/auth/signup`.
pub(crate) async fn signup(
    State(services): State<Arc<Services>>,
    request: Request,
) -> Result<(StatusCode, Json<SignupResponse>), Refusal> {
    let SignupForm { request, photo } = SignupForm::read(request, &services.photos).await?;
    let (name, username) = (Name::parse(&request.name)?, Username::parse(&request.username)?);
    let email = Email::parse(&request.email)?;
    let photo = match photo {
        Some(upload) => Some(services.photos.standardise(upload).await?),
        None => None,
    };
    let known = [request.name.trim(), username.as_str(), email.as_str()].map(str::to_owned);
    let password_hash = services.hasher.hash_choice(request.password, known.to_vec()).await?;

    let now = clock::now();
    let account = Account {
        id: account::new_user_id(now, rand::rng().random()),
        name,
        username,
        email,
        password_hash,
        profile_image: photo.as_ref().map(Photo::profile_image).unwrap_or_default(),
        is_verified: false,
        created_at: now,
        ban: None,
    };
    let user_id = account.id;
    services.sign_up(account, photo).await?;
    let message = "Signup successful. Please verify your email.".into();
    Ok((StatusCode::CREATED, Json(SignupResponse { message, user_id })))
}

/// `POST /api/auth/verify`.
pub(crate) async fn verify(
    State(services): State<Arc<Services>>,
    Agent(client): Agent,
    body: Result<Body<VerifyRequest>, Refusal>,
) -> Result<(CookieJar, Json<Session>), Refusal> {
    let Body(request) = body?;
    if request.user_id.is_empty() || request.otp.is_empty() {
        return Err(Refusal::Invalid("userId and otp are required".into()));
    }
    let user = user_id(&request.user_id)?;
    let code = Code::parse(&request.otp).ok_or_else(|| refused(Verdict::Wrong))?;
    let now = clock::now();
    let opening = services.generate_session(user, client, now);
    let seal = code.seal(&services.otp_key, Subject::SignUp(user));
    match services.store.consume_otp(user, seal, opening.record(), now).await? {
        Confirmation::Confirmed(account) => {
            let jar = cookies::set(&services, opening.bearer(), &opening.refresh, now);
            let jar = cookies::remember_device(&services, jar, user, &account.password_hash);
            Ok((jar, Json(Session { user: services.user(&account) })))
        }
        Confirmation::Banned(ban) => Err(Refusal::Banned(ban)),
        Confirmation::Refused(verdict) => Err(refused(verdict)),
        Confirmation::NoChallenge => Err(no_code()),
    }
}

/// No code waits, or none does any more.
pub(crate) fn no_code() -> Refusal {
    Refusal::Rejected(ApiErrorCode::OtpExpired, "OTP not found or expired".into())
}

/// A code that was looked at and not accepted.
pub(crate) fn refused(verdict: Verdict) -> Refusal {
    let (code, message) = match verdict {
        Verdict::Accepted | Verdict::Wrong => (ApiErrorCode::InvalidOtp, "Invalid OTP"),
        Verdict::Exhausted => {
            (ApiErrorCode::OtpExpired, "Too many wrong codes. Request a new one.")
        }
        Verdict::Expired => (ApiErrorCode::OtpExpired, "OTP expired"),
    };
    Refusal::Rejected(code, message.into())
}

/// `POST /api/auth/resend-otp`.
pub(crate) async fn resend_otp(
    State(services): State<Arc<Services>>,
    body: Result<Body<ResendRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let Body(request) = body?;
    if request.user_id.is_empty() {
        return Err(Refusal::Invalid("userId is required".into()));
    }
    let user = user_id(&request.user_id)?;
    services.resend_code(user).await?;
    Ok(Json(Done { message: "OTP resent successfully. Please check your email.".into() }))
}

/// `GET /api/auth/me`.
pub(crate) async fn me(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
) -> Json<User> {
    Json(services.user(&account))
}

fn user_id(text: &str) -> Result<UserId, Refusal> {
    text.parse().map_err(|_| Refusal::Invalid("Invalid userId format".into()))
}
