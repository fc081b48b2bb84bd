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
    auth::Authenticated, body::Body, client::Agent, cookies, error::Refusal, sessions::Opening,
    upload::SignupForm,
};
use crate::{
    app::App,
    clock,
    core::{
        account::{self, Account, Email, Name, Username},
        otp::{Challenge, Code, Subject, Verdict},
    },
    mail::Letter,
    photos::Photo,
    store::{Confirmation, Creation, Reissue},
};

/// `POST /api/auth/signup`.
pub(crate) async fn signup(
    State(app): State<Arc<App>>,
    request: Request,
) -> Result<(StatusCode, Json<SignupResponse>), Refusal> {
    let SignupForm { request, photo } = SignupForm::read(request, &app.photos).await?;
    let (name, username) = (Name::parse(&request.name)?, Username::parse(&request.username)?);
    let email = Email::parse(&request.email)?;
    let photo = match photo {
        Some(upload) => Some(app.photos.standardise(upload).await?),
        None => None,
    };
    let known = [request.name.trim(), username.as_str(), email.as_str()].map(str::to_owned);
    let password_hash = app.hasher.hash_choice(request.password, known.to_vec()).await?;

    let now = clock::now();
    let code = Code::draw(&mut rand::rng());
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
    let challenge = Challenge::issue(code.seal(&app.otp_key, Subject::SignUp(account.id)), now);
    let counted = app.gates.admit_code(None, &account.email)?;
    match app.store.create_account(account.clone(), challenge, now).await? {
        Creation::Created => {}
        Creation::Taken => {
            app.gates.forgive_code(&account.email, counted);
            let message = "Email or Username already exists".into();
            return Err(Refusal::Rejected(ApiErrorCode::Taken, message));
        }
    }
    if let Some(photo) = photo
        && let Err(error) = app.photos.put(photo).await
    {
        take_back(&app, &account).await?;
        return Err(error.into());
    }
    if let Err(error) = app.mailer.send(&account.email, Letter::Verify(&code), now).await {
        tracing::error!(%error, user = %account.id, "sign-up taken back");
        take_back(&app, &account).await?;
        let message = "Failed to send verification email. Please try again.";
        return Err(Refusal::Invalid(message.into()));
    }
    let message = "Signup successful. Please verify your email.".into();
    Ok((StatusCode::CREATED, Json(SignupResponse { message, user_id: account.id })))
}

async fn take_back(app: &App, account: &Account) -> Result<(), Refusal> {
    if app.store.discard_signup(account.id).await? {
        app.photos.remove(&account.profile_image).await;
    }
    Ok(())
}

/// `POST /api/auth/verify`.
pub(crate) async fn verify(
    State(app): State<Arc<App>>,
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
    let opening = Opening::draw(&app, user, client, now);
    let seal = code.seal(&app.otp_key, Subject::SignUp(user));
    match app.store.consume_otp(user, seal, opening.record(), now).await? {
        Confirmation::Confirmed(account) => {
            let jar = cookies::set(&app, opening.bearer(), &opening.refresh, now);
            Ok((jar, Json(Session { user: app.user(&account) })))
        }
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
    State(app): State<Arc<App>>,
    body: Result<Body<ResendRequest>, Refusal>,
) -> Result<Json<Done>, Refusal> {
    let Body(request) = body?;
    if request.user_id.is_empty() {
        return Err(Refusal::Invalid("userId is required".into()));
    }
    let user = user_id(&request.user_id)?;
    let now = clock::now();
    let code = Code::draw(&mut rand::rng());
    let challenge = Challenge::issue(code.seal(&app.otp_key, Subject::SignUp(user)), now);
    // Before the code that waits is void: who may not have a new one keeps the old one.
    if let Some(waiting) = app.store.account(user).await?.filter(|account| !account.is_verified) {
        app.gates.admit_code(Some(user), &waiting.email)?;
    }
    let account = match app.store.replace_otp(user, challenge).await? {
        Reissue::Replaced(account) => account,
        Reissue::NoAccount => return Err(Refusal::Invalid("User not found".into())),
        Reissue::AlreadyVerified => {
            return Err(Refusal::Invalid("User is already verified".into()));
        }
    };
    app.mailer.send(&account.email, Letter::Verify(&code), now).await.map_err(|error| {
        tracing::error!(%error, user = %user, "code not sent");
        Refusal::Invalid("Failed to send OTP email".into())
    })?;
    Ok(Json(Done { message: "OTP resent successfully. Please check your email.".into() }))
}

/// `GET /api/auth/me`.
pub(crate) async fn me(
    State(app): State<Arc<App>>,
    Authenticated { account, .. }: Authenticated,
) -> Json<User> {
    Json(app.user(&account))
}

fn user_id(text: &str) -> Result<UserId, Refusal> {
    text.parse().map_err(|_| Refusal::Invalid("Invalid userId format".into()))
}
