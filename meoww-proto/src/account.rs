//! Bodies of the HTTP API under `/api/auth`, field for field those of the Node.js backend.
//!
//! Access and refresh tokens travel as cookies ([`ACCESS_COOKIE`], [`REFRESH_COOKIE`]); the access
//! token also as `Authorization: Bearer`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{error::ApiErrorCode, ids::UserId};

/// Cookie that carries the access token (a JWT).
pub const ACCESS_COOKIE: &str = "access_token";
/// Cookie that carries the refresh token (opaque, single use).
pub const REFRESH_COOKIE: &str = "refresh_token";
/// Cookie by which a device that logged in once is known; it outlives the session.
pub const DEVICE_COOKIE: &str = "device_token";

/// The part of a multipart form that holds the profile photo, at `signup` and `PUT
/// /api/auth/me/photo`.
pub const PHOTO_FIELD: &str = "profilePhoto";

/// `POST /api/auth/signup`. In requests, a field left out reads as an empty one: either is refused
/// by the same words.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SignupRequest {
    /// Shown to others, 1 to 64 characters.
    pub name: String,
    /// Unique, compared in lower case.
    pub username: String,
    /// Unique, compared in lower case; the code is sent there.
    pub email: String,
    /// 8 to 128 characters.
    pub password: String,
}

/// Answer to a sign-up, 201.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SignupResponse {
    /// For people.
    pub message: String,
    /// What `verify` and `resend-otp` ask for.
    pub user_id: UserId,
}

/// `POST /api/auth/login`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct LoginRequest {
    /// As signed up; case does not matter.
    pub email: String,
    /// As signed up.
    pub password: String,
}

/// `POST /api/auth/verify`.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct VerifyRequest {
    /// From [`SignupResponse`].
    pub user_id: String,
    /// Six digits from the mail.
    pub otp: String,
}

/// `POST /api/auth/resend-otp`.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ResendRequest {
    /// From [`SignupResponse`].
    pub user_id: String,
}

/// An account as its owner sees it; also the whole answer of `GET /api/auth/me`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct User {
    /// The account.
    #[serde(rename = "_id")]
    pub id: UserId,
    /// As signed up.
    pub name: String,
    /// Lower case.
    pub username: String,
    /// Lower case.
    pub email: String,
    /// URL of the profile picture, empty when there is none.
    pub profile_image: String,
    /// Whether the address was confirmed by a code.
    pub is_verified: bool,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
}

/// Answer of `login` and `verify`; the tokens come beside it as cookies.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Who is now logged in.
    pub user: User,
}

/// One of the account's sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SessionInfo {
    /// For `DELETE /api/auth/sessions/{id}`.
    pub id: String,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
    /// When it was last refreshed; RFC 3339, UTC, milliseconds.
    pub refreshed_at: String,
    /// When it ends unless it is refreshed; RFC 3339, UTC, milliseconds.
    pub expires_at: String,
    /// What logged in, by its own words (`User-Agent`): hostile until sanitised.
    pub client: String,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// Answer of `GET /api/auth/sessions`. `DELETE` there ends all but the one that asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sessions {
    /// Newest first.
    pub sessions: Vec<SessionInfo>,
}

/// `POST /api/auth/password`. Ends every session; the answer is a [`Session`] with fresh cookies.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ChangePasswordRequest {
    /// The one that is good now.
    pub current_password: String,
    /// 8 to 128 characters.
    pub new_password: String,
}

/// `POST /api/auth/password/forgot`. The answer is the same whether there is such an account.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ForgotPasswordRequest {
    /// Where a code goes, if it is an account's.
    pub email: String,
}

/// `POST /api/auth/password/reset`. Ends every session and opens none.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct ResetPasswordRequest {
    /// As in [`ForgotPasswordRequest`].
    pub email: String,
    /// Six digits from the mail.
    pub otp: String,
    /// 8 to 128 characters.
    pub new_password: String,
}

/// `POST /api/auth/email`: a code goes to the new address.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ChangeEmailRequest {
    /// The new address.
    pub email: String,
    /// The account's.
    pub password: String,
}

/// `POST /api/auth/email/confirm`: the answer is the [`User`] with the new address.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ConfirmEmailRequest {
    /// Six digits from the mail to the new address.
    pub otp: String,
}

/// `DELETE /api/auth/me`: the account and everything of it.
#[derive(Clone, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct DeleteAccountRequest {
    /// The account's.
    pub password: String,
}

/// Answer of `GET /api/auth/me/export`: everything that is kept of the account and can be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct AccountExport {
    /// The account.
    pub user: User,
    /// The address that waits to be confirmed, if one does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_email: Option<String>,
    /// Its live sessions, newest first.
    pub sessions: Vec<SessionInfo>,
    /// Whom it blocks, newest first.
    pub blocks: Vec<BlockInfo>,
    /// What it reported, newest first.
    #[serde(default)]
    pub reports: Vec<ReportInfo>,
}

/// A report the account filed. Who it is about, and what they said, stays unsaid: it is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ReportInfo {
    /// By which the operators know it.
    pub id: String,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
    /// In the account's words.
    pub reason: String,
    /// Of the chat lines kept with it, those the account wrote, oldest first.
    pub lines: Vec<String>,
}

/// Somebody whom the account is never matched with. Who it is stays unsaid: strangers are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct BlockInfo {
    /// For `DELETE /api/auth/blocks/{id}`.
    pub id: String,
    /// RFC 3339, UTC, milliseconds.
    pub created_at: String,
}

/// Answer of `GET /api/auth/blocks`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Blocks {
    /// Newest first.
    pub blocks: Vec<BlockInfo>,
}

/// Answer of what has nothing else to say (`resend-otp`, `refresh`, `logout`).
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Done {
    /// For people.
    pub message: String,
}

/// Answer of `GET /api/auth/turn-credentials`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct TurnCredentials {
    /// As `RTCPeerConnection` takes them.
    pub ice_servers: Vec<IceServer>,
}

/// One entry of `iceServers` (W3C WebRTC `RTCIceServer`).
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct IceServer {
    /// A `stun:`, `turn:` or `turns:` URL (RFC 7064, RFC 7065).
    pub urls: String,
    /// `EXPIRY:USERID`, expiry in Unix seconds (draft-uberti-behave-turn-rest).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Base64 of HMAC-SHA1 over `username`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
}

/// Body of every refusal.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ApiError {
    /// For people.
    pub error: String,
    /// For programs, where one is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<ApiErrorCode>,
    /// With [`ApiErrorCode::EmailNotVerified`]: what `verify` asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<UserId>,
}

/// Secrets never reach a log by way of `{:?}`.
macro_rules! opaque_debug {
    ($($secret:ident),*) => {$(
        impl fmt::Debug for $secret {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($secret)).finish_non_exhaustive()
            }
        }
    )*};
}
opaque_debug!(
    SignupRequest,
    LoginRequest,
    VerifyRequest,
    ChangePasswordRequest,
    ForgotPasswordRequest,
    ResetPasswordRequest,
    ChangeEmailRequest,
    ConfirmEmailRequest,
    DeleteAccountRequest,
    IceServer
);
