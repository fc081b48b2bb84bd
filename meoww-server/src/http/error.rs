//! Renders refusals as HTTP responses: status, body and headers.

use std::borrow::Cow;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use meoww_proto::{account::ApiError, error::ApiErrorCode};

use super::rate_limiter::whole_seconds;
use crate::core::account::{Ban, rfc3339_millis};
pub(crate) use crate::services::Refusal;

const BEARER: HeaderValue = HeaderValue::from_static("Bearer realm=\"meoww\"");

/// Left with a refusal for those who count.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reason(pub(crate) &'static str);

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::Invalid(_) | Self::Rejected(..) => StatusCode::BAD_REQUEST,
            Self::InvalidCredentials | Self::Unauthenticated(_) => StatusCode::UNAUTHORIZED,
            Self::EmailNotVerified(_) | Self::Banned(_) | Self::ForeignOrigin => {
                StatusCode::FORBIDDEN
            }
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedBody | Self::UnknownEncoding | Self::NotMultipart => {
                StatusCode::UNSUPPORTED_MEDIA_TYPE
            }
            Self::TooMany(..) => StatusCode::TOO_MANY_REQUESTS,
            Self::Busy | Self::NothingKept => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn message(&self) -> Cow<'static, str> {
        match self {
            Self::Invalid(message) | Self::Rejected(_, message) => message.clone(),
            Self::InvalidCredentials => "Invalid credentials".into(),
            Self::Unauthenticated(message) | Self::TooMany(message, _) => (*message).into(),
            Self::EmailNotVerified(_) => "Email not verified".into(),
            Self::Banned(Ban { reason, until: None }) => format!("Account banned: {reason}").into(),
            Self::Banned(Ban { reason, until: Some(until) }) => {
                format!("Account banned until {}: {reason}", rfc3339_millis(*until)).into()
            }
            Self::ForeignOrigin => "Origin not allowed".into(),
            Self::NotFound => "Not found".into(),
            Self::MethodNotAllowed => "Method not allowed".into(),
            Self::TooSlow => "Request took too long".into(),
            Self::TooLarge => "Request body too large".into(),
            Self::UnsupportedBody => "Send JSON or a URL-encoded form".into(),
            Self::UnknownEncoding => "Send the body as it is, or in gzip, deflate or br".into(),
            Self::NotMultipart => "Send a multipart form".into(),
            Self::Busy => "Server is busy, please try again in a moment.".into(),
            Self::NothingKept => {
                "The server cannot save anything now. Please try again later.".into()
            }
            Self::Internal => "Something went wrong!".into(),
        }
    }

    fn code(&self) -> Option<ApiErrorCode> {
        match self {
            Self::Rejected(code, _) => Some(*code),
            Self::InvalidCredentials => Some(ApiErrorCode::InvalidCredentials),
            Self::EmailNotVerified(_) => Some(ApiErrorCode::EmailNotVerified),
            Self::Banned(_) => Some(ApiErrorCode::Banned),
            Self::TooMany(..) => Some(ApiErrorCode::RateLimited),
            Self::Invalid(_)
            | Self::Unauthenticated(_)
            | Self::ForeignOrigin
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooSlow
            | Self::TooLarge
            | Self::UnsupportedBody
            | Self::UnknownEncoding
            | Self::NotMultipart
            | Self::Busy
            | Self::NothingKept
            | Self::Internal => None,
        }
    }

    fn reason(&self) -> &'static str {
        match self {
            Self::Invalid(_) | Self::Rejected(..) => "invalid",
            Self::InvalidCredentials => "invalid-credentials",
            Self::Unauthenticated(_) => "unauthenticated",
            Self::EmailNotVerified(_) => "not-verified",
            Self::Banned(_) => "banned",
            Self::ForeignOrigin => "foreign-origin",
            Self::NotFound => "not-found",
            Self::MethodNotAllowed => "method-not-allowed",
            Self::TooSlow => "too-slow",
            Self::TooLarge => "too-large",
            Self::UnsupportedBody | Self::UnknownEncoding | Self::NotMultipart => {
                "unsupported-body"
            }
            Self::TooMany(..) => "rate-limited",
            Self::Busy => "busy",
            Self::NothingKept => "nothing-kept",
            Self::Internal => "internal",
        }
    }

    /// Whole seconds, rounded up (RFC 9110, 10.2.3).
    fn retry_after(&self) -> Option<u64> {
        match self {
            Self::TooMany(_, wait) => Some(whole_seconds(*wait)),
            Self::Busy => Some(1),
            // An operator has to make room.
            Self::NothingKept => Some(60),
            Self::Invalid(_)
            | Self::Rejected(..)
            | Self::InvalidCredentials
            | Self::Unauthenticated(_)
            | Self::EmailNotVerified(_)
            | Self::Banned(_)
            | Self::ForeignOrigin
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::TooSlow
            | Self::TooLarge
            | Self::UnsupportedBody
            | Self::UnknownEncoding
            | Self::NotMultipart
            | Self::Internal => None,
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let user_id = if let Self::EmailNotVerified(user) = self { Some(user) } else { None };
        let error = self.message().into_owned();
        let body = ApiError { error, code: self.code(), user_id };
        let status = self.status();
        let mut response = (status, Json(body)).into_response();
        response.extensions_mut().insert(Reason(self.reason()));
        if let Some(seconds) = self.retry_after() {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        if status == StatusCode::REQUEST_TIMEOUT {
            // RFC 9110, 15.5.9.
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if status == StatusCode::UNAUTHORIZED {
            // RFC 9110, 11.6.1 and RFC 6750, 3.
            response.headers_mut().insert(header::WWW_AUTHENTICATE, BEARER);
        }
        response
    }
}
