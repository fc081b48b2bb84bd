//! Request bodies: JSON or a URL-encoded form, as the client says.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use serde::de::DeserializeOwned;

use super::error::Refusal;

/// A body that was read and typed.
pub(crate) struct Body<T>(pub(crate) T);

enum Format {
    Json,
    Form,
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        let format = format(request.headers()).ok_or(Refusal::UnsupportedBody)?;
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| {
                match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
                    _ => Refusal::Invalid("Unreadable request body".into()),
                }
            })?;
        let parsed = match format {
            Format::Json => serde_json::from_slice(&bytes).ok(),
            Format::Form => serde_urlencoded::from_bytes(&bytes).ok(),
        };
        parsed.map(Self).ok_or_else(|| Refusal::Invalid("Malformed request body".into()))
    }
}

fn format(headers: &HeaderMap) -> Option<Format> {
    let value = headers.get(CONTENT_TYPE)?.to_str().ok()?;
    let essence = value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/json" => Some(Format::Json),
        "application/x-www-form-urlencoded" => Some(Format::Form),
        _ => None,
    }
}
