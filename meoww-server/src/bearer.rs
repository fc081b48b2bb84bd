//! Where a request carries its access token.

use axum::http::{HeaderMap, header::AUTHORIZATION};
use axum_extra::extract::CookieJar;
use meoww_proto::account::ACCESS_COOKIE;

/// A token somebody took the trouble to put in a header is meant before one a browser attached.
pub(crate) fn presented(headers: &HeaderMap) -> Option<String> {
    bearer_token(headers).or_else(|| {
        let jar = CookieJar::from_headers(headers);
        jar.get(ACCESS_COOKIE).map(|cookie| cookie.value().to_owned())
    })
}

/// The token of `Authorization: Bearer` (RFC 6750, 2.1).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}
