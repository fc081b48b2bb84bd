//! Which web pages may call us with cookies (the Fetch standard's CORS protocol; for WebSockets,
//! which browsers open without asking first, RFC 6455, 10.2).

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::gate;
use crate::services::{Refusal, Services, origins::Origins};

/// Answers preflights and marks answers for the configured origins.
pub(crate) fn layer(services: Arc<Services>) -> CorsLayer {
    let is_known = move |origin: &HeaderValue, _: &Parts| services.origins.contain(origin);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_known))
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
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &Origins) -> Result<(), Refusal> {
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if allowed.contain(origin) => Ok(()),
        Some(_) => Err(Refusal::ForeignOrigin),
    }
}
