//! Request bodies: JSON or a URL-encoded form, as the client says, compressed or not.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::{
        HeaderMap, HeaderValue, StatusCode,
        header::{CONTENT_ENCODING, CONTENT_TYPE},
    },
};
use meoww_proto::json;
use serde::de::DeserializeOwned;
use tower_http::decompression::RequestDecompressionLayer;

use super::error::Refusal;

/// Decompresses bodies, so that bounds are for what comes out; other encodings are left to [`Body`].
pub(crate) fn decompression() -> RequestDecompressionLayer {
    RequestDecompressionLayer::new().pass_through_unaccepted(true)
}

/// Writes the name of a content coding as [`decompression`] knows it: names are case-insensitive
/// (RFC 9110, 8.4.1), and `x-gzip` is `gzip` (8.4.1.3).
pub(crate) async fn canonical_encoding(mut request: Request) -> Request {
    if let Some(encoding) = request.headers_mut().get_mut(CONTENT_ENCODING) {
        let name = encoding.as_bytes().trim_ascii().to_ascii_lowercase();
        let name = if name == b"x-gzip" { &b"gzip"[..] } else { &name };
        if let Ok(name) = HeaderValue::from_bytes(name) {
            *encoding = name;
        }
    }
    request
}

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
        if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
            return Err(Refusal::UnknownEncoding);
        }
        let bytes =
            Bytes::from_request(request, state).await.map_err(|rejection| {
                match rejection.status() {
                    StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
                    _ => Refusal::Invalid("Unreadable request body".into()),
                }
            })?;
        let parsed = match format {
            Format::Json => parse_json(&bytes),
            Format::Form => serde_urlencoded::from_bytes(&bytes).ok(),
        };
        parsed.map(Self).ok_or_else(|| Refusal::Invalid("Malformed request body".into()))
    }
}

/// Some programs begin with a byte order mark, which may be ignored (RFC 8259, 8.1).
fn parse_json<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let text = str::from_utf8(bytes).ok()?;
    json::from_str(text.strip_prefix('\u{feff}').unwrap_or(text)).ok()
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
