//! Which web pages may call us with cookies (the Fetch standard's CORS protocol; for WebSockets,
//! which browsers open without asking first, RFC 6455, 10.2).

use std::sync::Arc;

use axum::{
    extract::Request,
    http::{HeaderMap, HeaderValue, Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::Response,
};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};
use url::Url;

use super::rate_limiter;
use crate::services::{Refusal, Services, origins::Origins};

/// Answers preflights and marks answers for the configured origins.
pub(crate) fn layer(services: Arc<Services>) -> CorsLayer {
    let is_known = move |origin: &HeaderValue, _: &Parts| services.origins.contain(origin);
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_known))
        .allow_credentials(true)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::OPTIONS])
        // Pages that are let in may send what they like, as tracing and tunnels make them.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers(
            rate_limiter::HEADERS.into_iter().chain([header::RETRY_AFTER]).collect::<Vec<_>>(),
        )
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

/// Refuses a socket to a page of a foreign origin. Programs send none, or the address they connect to.
pub(crate) fn check_origin(headers: &HeaderMap, allowed: &Origins) -> Result<(), Refusal> {
    match headers.get(header::ORIGIN) {
        None => Ok(()),
        Some(origin) if allowed.contain(origin) || is_own(origin, headers) => Ok(()),
        Some(_) => Err(Refusal::ForeignOrigin),
    }
}

/// Whether the host and port of an origin are those that were asked for.
fn is_own(origin: &HeaderValue, headers: &HeaderMap) -> bool {
    let own = || {
        let origin = Url::parse(origin.to_str().ok()?).ok()?;
        let asked = headers.get(header::HOST)?.to_str().ok()?;
        // A port that is not named is the one of the scheme.
        let asked = Url::parse(&format!("{}://{asked}", origin.scheme())).ok()?;
        let of_the_web = matches!(origin.scheme(), "http" | "https" | "ws" | "wss");
        let same = origin.host() == asked.host()
            && origin.port_or_known_default() == asked.port_or_known_default();
        Some(of_the_web && same)
    };
    own().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_let_in(origin: &str, host: &str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(header::ORIGIN, origin.parse().expect("a value"));
        headers.insert(header::HOST, host.parse().expect("a value"));
        check_origin(&headers, &Origins::new(&["https://app.example".to_owned()])).is_ok()
    }

    #[test]
    fn known_pages_and_the_servers_own_may_open_sockets() {
        assert!(is_let_in("https://app.example", "chat.example"));
        for (origin, host) in [
            ("http://chat.example", "chat.example"),
            ("https://chat.example", "chat.example:443"),
            ("https://chat.example:443", "chat.example"),
            ("ws://127.0.0.1:5000", "127.0.0.1:5000"),
            ("wss://chat.example", "Chat.Example"),
            ("http://[::1]:5000", "[::1]:5000"),
        ] {
            assert!(is_let_in(origin, host), "{origin} at {host}");
        }
    }

    #[test]
    fn foreign_pages_may_not() {
        for (origin, host) in [
            ("https://evil.example", "chat.example"),
            ("https://chat.example.evil.example", "chat.example"),
            ("https://chat.example:8443", "chat.example"),
            ("http://chat.example:5001", "chat.example:5000"),
            ("null", "chat.example"),
            ("file://chat.example", "chat.example"),
            ("https://user@evil.example", "chat.example"),
        ] {
            assert!(!is_let_in(origin, host), "{origin} at {host}");
        }
    }
}
