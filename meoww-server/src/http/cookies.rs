//! The two cookies a session travels in.

use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use meoww_proto::account::{ACCESS_COOKIE, REFRESH_COOKIE};
use time::{Duration, OffsetDateTime};

use crate::{core::session::RefreshToken, services::Services, tokens::Bearer};

/// Sets both cookies for a session that was opened or refreshed.
pub(crate) fn set(
    services: &Services,
    bearer: Bearer,
    refresh: &RefreshToken,
    now: OffsetDateTime,
) -> CookieJar {
    let max_age = |lifetime: std::time::Duration| Duration::seconds(lifetime.as_secs() as i64);
    let access = cookie(services, ACCESS_COOKIE, services.tokens.issue(bearer, now));
    let refresh = cookie(services, REFRESH_COOKIE, refresh.as_str().to_owned());
    CookieJar::new()
        .add(with_max_age(access, max_age(services.config.access_lifetime)))
        .add(with_max_age(refresh, max_age(services.config.refresh_lifetime)))
}

/// Makes the client forget both, whether or not it has them.
pub(crate) fn clear(services: &Services) -> CookieJar {
    [ACCESS_COOKIE, REFRESH_COOKIE].into_iter().fold(CookieJar::new(), |jar, name| {
        let mut gone = with_max_age(cookie(services, name, String::new()), Duration::ZERO);
        gone.set_expires(OffsetDateTime::UNIX_EPOCH);
        jar.add(gone)
    })
}

fn cookie(services: &Services, name: &'static str, value: String) -> Cookie<'static> {
    Cookie::build((name, value))
        .path("/")
        .http_only(true)
        .same_site(SameSite::Strict)
        .secure(services.config.secure_cookies)
        .build()
}

fn with_max_age(mut cookie: Cookie<'static>, age: Duration) -> Cookie<'static> {
    cookie.set_max_age(age);
    cookie
}
