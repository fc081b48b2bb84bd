//! Which web pages may call us with cookies (the Fetch standard's CORS protocol; for WebSockets,
//! which browsers open without asking first, RFC 6455, 10.2).

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header},
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{error::Refusal, gate};

/// Answers preflights and marks answers for the configured origins.
pub(crate) fn layer(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
        .allow_headers([header::CONTENT_TYPE, header::AUTHORIZATION, header::COOKIE])
        .expose_headers(gate::HEADERS.into_iter().chain([header::RETRY_AFTER]).collect::<Vec<_>>())
}

/// Answers a preflight with 204, as the Node.js backend did; the layer itself says 200.
pub(crate) async fn without_content(request: Request, next: Next) -> Response {
    let preflight = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    if preflight && response.status() == StatusCode::OK {
        *response.status_mut() = StatusCode::NO_CONTENT;
    }
    response
}

/// Refuses a socket to a page of a foreign origin; programs send no `Origin`.
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &[String]) -> Result<(), Refusal> {
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if allowed.iter().any(|known| origin.as_bytes() == known.as_bytes()) => Ok(()),
        Some(_) => Err(Refusal::ForeignOrigin),
    }
}
