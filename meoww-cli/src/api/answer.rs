//! Reads answers, and finds what came in between when there is none: a proxy, a gateway, a
//! redirect, a certificate. The same for HTTP and the socket.

use std::{error::Error as StdError, io, time::Duration};

use meoww_proto::{account::ApiError, error::ApiErrorCode};
use reqwest::{
    StatusCode, Url,
    header::{self, HeaderMap},
};
use rustls::CertificateError;
use serde_json::Value;

use crate::{
    config::ServerUrl,
    error::{Error, deepest},
    proxy::{self, NO_PASSWORD, Proxy},
    text::SafeText,
};

/// The refusal that the server gave in words.
pub(crate) fn refusal(
    server: &ServerUrl,
    (status, headers): (StatusCode, &HeaderMap),
    route: &str,
    refusal: ApiError,
) -> Error {
    let message = refusal.error;
    let retry_after = headers.get(header::RETRY_AFTER);
    let retry_after = retry_after.and_then(|value| value.to_str().ok()?.parse().ok());
    let retry_after = retry_after.map(Duration::from_secs);
    match (refusal.code, status) {
        (Some(ApiErrorCode::EmailNotVerified), _) => Error::EmailNotVerified(refusal.user_id),
        (Some(ApiErrorCode::InvalidCredentials), _) => Error::InvalidCredentials,
        (Some(ApiErrorCode::Taken), _) => Error::Taken,
        (Some(ApiErrorCode::InvalidInput), _) => Error::InvalidInput(message),
        (Some(ApiErrorCode::InvalidOtp), _) => Error::WrongCode,
        (Some(ApiErrorCode::OtpExpired), _) => Error::CodeExpired,
        (Some(ApiErrorCode::Banned), _) => Error::Banned(message),
        (Some(ApiErrorCode::WrongPassword), _) => Error::WrongPassword,
        (_, StatusCode::TOO_MANY_REQUESTS) => Error::RateLimited { message, retry_after },
        // The Node.js backend has no codes: there, a 401 of `login` is its only meaning.
        (_, StatusCode::UNAUTHORIZED) if route.ends_with("/login") => Error::InvalidCredentials,
        (_, StatusCode::UNAUTHORIZED) => Error::SessionExpired(server.to_string()),
        _ => Error::Refused { status: status.as_u16(), message },
    }
}

/// Names the program that answered with `status` to a request of the address `asked`, without
/// words of Meoww.
pub(crate) fn unexpected(
    server: &ServerUrl,
    (status, headers): (StatusCode, &HeaderMap),
    asked: &Url,
) -> Error {
    // Within TLS or a tunnel, the server itself answers.
    let proxy = (asked.scheme() == "http").then(|| Proxy::towards(asked)).flatten();
    let through = proxy.map(|proxy| proxy.to_string());
    let server_name = server.to_string();
    if status.is_redirection()
        && let Some(target) = target(server, headers, asked)
    {
        return Error::Redirected { server: server_name, target };
    }
    match (status, through) {
        (StatusCode::PROXY_AUTHENTICATION_REQUIRED, Some(proxy)) => {
            Error::ProxyFailed { server: server_name, proxy, why: NO_PASSWORD.to_owned() }
        }
        (status, Some(proxy)) if status.is_server_error() => Error::ProxyFailed {
            server: server_name,
            proxy,
            why: format!("{status}; try again in a moment"),
        },
        (
            StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT,
            _,
        ) => Error::Unreachable {
            server: server_name,
            why: format!("{status}: what stands before it gets no answer; try again in a moment"),
        },
        (status, _) => Error::NotMeoww { server: server_name, why: format!("unexpected {status}") },
    }
}

/// The address of the server that a redirect names.
fn target(server: &ServerUrl, headers: &HeaderMap, asked: &Url) -> Option<String> {
    let location = headers.get(header::LOCATION)?.to_str().ok()?;
    let target = asked.join(location).ok()?;
    let route = asked.path().strip_prefix(server.url().path().trim_end_matches('/'));
    let target = target.as_str();
    let target = route.and_then(|route| target.strip_suffix(route)).unwrap_or(target);
    Some(SafeText::new(target.trim_end_matches('/')).to_string())
}

/// Why nothing came back.
pub(crate) fn unreachable(server: &ServerUrl, error: &(dyn StdError + 'static)) -> Error {
    let server_name = server.to_string();
    let safe = |why: String| SafeText::new(&why).to_string();
    if let Some(rustls::Error::InvalidCertificate(fault)) = tls_error(error) {
        return Error::UntrustedCertificate { server: server_name, why: safe(in_words(fault)) };
    }
    let why = match Proxy::towards(server.url()) {
        Some(_) => proxy::reason(error),
        None => deepest(error),
    };
    between(server, safe(why))
}

/// Why nothing came back in time.
pub(crate) fn silent(server: &ServerUrl) -> Error {
    between(server, "no answer in time".to_owned())
}

fn between(server: &ServerUrl, why: String) -> Error {
    let name = server.to_string();
    match Proxy::towards(server.url()) {
        Some(proxy) => Error::ProxyFailed { server: name, proxy: proxy.to_string(), why },
        None => Error::Unreachable { server: name, why },
    }
}

fn in_words(fault: &CertificateError) -> String {
    match fault {
        CertificateError::UnknownIssuer => "no authority known here signed it".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "it has expired, or the clock here is wrong".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "it is not valid yet, or the clock here is wrong".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "it is for another name".to_owned()
        }
        // As openssl req -x509 makes them, unless told otherwise.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "it is an authority's own; a server's says basicConstraints=CA:FALSE".to_owned()
        }
        other => other.to_string(),
    }
}

/// The cause of its own that TLS gives, which lies within an [`io::Error`].
fn tls_error<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a rustls::Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        let within = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match within {
            Some(within) => Some(within),
            None => error.source(),
        };
    }
    None
}

/// Makes all text of an answer safe to draw: a name with an escape sequence or a line break in it is
/// for no terminal, whichever command shows it.
pub(super) fn sanitise(value: &mut Value) {
    match value {
        Value::String(text) => *text = SafeText::new(text).to_string(),
        Value::Array(values) => values.iter_mut().for_each(sanitise),
        Value::Object(fields) => fields.values_mut().for_each(sanitise),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server() -> ServerUrl {
        "http://meoww.example/chat".parse().expect("a URL")
    }

    fn answered(status: u16, location: &str) -> Error {
        let headers =
            HeaderMap::from_iter([(header::LOCATION, location.parse().expect("printable"))]);
        let status = StatusCode::from_u16(status).expect("a status");
        let asked = Url::parse(&server().http("/api/auth/login")).expect("a URL");
        unexpected(&server(), (status, &headers), &asked)
    }

    #[test]
    fn a_redirect_names_the_server_it_leads_to() {
        for (location, expected) in [
            ("https://meoww.example/chat/api/auth/login", "https://meoww.example/chat"),
            ("https://new.example/", "https://new.example"),
            ("/elsewhere", "http://meoww.example/elsewhere"),
        ] {
            let error = answered(308, location);
            assert!(matches!(&error, Error::Redirected { target, .. } if target == expected));
            assert!(error.to_string().contains(expected), "{error}");
        }
    }

    #[test]
    fn a_gateway_without_an_answer_is_no_wrong_address() {
        for status in [502, 503, 504] {
            let error = answered(status, "/");
            assert_eq!(error.code().0, 12, "{error}");
            assert!(error.to_string().contains("try again"), "{error}");
        }
        assert_eq!(answered(404, "/").code().0, 11);
    }
}
