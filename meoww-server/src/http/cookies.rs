//! The two cookies a session travels in, and the one by which a device is known.

use axum_extra::extract::{
    CookieJar,
    cookie::{Cookie, SameSite},
};
use meoww_proto::{
    UserId,
    account::{ACCESS_COOKIE, DEVICE_COOKIE, REFRESH_COOKIE},
};
use time::{Duration, OffsetDateTime};

use crate::{
    core::{device::DeviceToken, session::RefreshToken},
    services::Services,
    tokens::Bearer,
};

/// As long as browsers keep one (RFC 6265bis, 5.5); each login sets it anew.
const DEVICE_MAX_AGE: Duration = Duration::days(400);

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

/// Makes the device known: its user proved the password with this hash, or chose it. It stays known
/// after a logout.
pub(crate) fn remember_device(
    services: &Services,
    jar: CookieJar,
    user: UserId,
    password_hash: &str,
) -> CookieJar {
    let token =
        DeviceToken::issue(&services.otp_key, user, password_hash, &mut rand::rng()).encode();
    let mut cookie = with_max_age(cookie(services, DEVICE_COOKIE, token), DEVICE_MAX_AGE);
    cookie.set_path("/api/auth");
    jar.add(cookie)
}

/// Makes the client forget its session, whether or not it has one.
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
