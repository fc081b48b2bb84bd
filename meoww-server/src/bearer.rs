//! Where a request carries its access token.

use axum::http::{
    HeaderMap,
    header::{AUTHORIZATION, COOKIE},
};
use meoww_proto::account::ACCESS_COOKIE;

/// A token somebody took the trouble to put in a header is meant before one a browser attached.
pub(crate) fn presented(headers: &HeaderMap) -> Option<String> {
    bearer_token(headers).or_else(|| cookie(headers, ACCESS_COOKIE))
}

/// The token of `Authorization: Bearer` (RFC 6750, 2.1).
pub(crate) fn bearer_token(headers: &HeaderMap) -> Option<String> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

/// Returns the value of a cookie. Of two with one name the first counts: browsers send the more
/// specific one first (RFC 6265, 5.4). Quotes around the value are removed; other cookies are
/// ignored, valid or not.
pub(crate) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let pairs =
        headers.get_all(COOKIE).iter().flat_map(|line| line.as_bytes().split(|b| *b == b';'));
    pairs.map(<[u8]>::trim_ascii).find_map(|pair| {
        let value = pair.strip_prefix(name.as_bytes())?.trim_ascii_start().strip_prefix(b"=")?;
        let value = value.trim_ascii();
        let value = value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value);
        String::from_utf8(value.to_vec()).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn found(lines: &[&[u8]]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(COOKIE, HeaderValue::from_bytes(line).expect("a value"));
        }
        cookie(&headers, "access_token")
    }

    #[test]
    fn a_cookie_is_found_whatever_stands_beside_it() {
        for line in [
            "access_token=abc",
            " x=1;access_token=abc ; y=2",
            "name=Jos\u{e9}; access_token=abc",
            "access_token=\"abc\"",
            "access_token2=no; access_token=abc",
            "novalue; =; access_token=abc; access_token=later",
        ] {
            assert_eq!(found(&[line.as_bytes()]).as_deref(), Some("abc"), "{line}");
        }
        assert_eq!(found(&[b"a=\xff\xfe", b"access_token=abc"]).as_deref(), Some("abc"));
        assert_eq!(found(&[b"access_token=first", b"access_token=abc"]).as_deref(), Some("first"));
    }

    #[test]
    fn what_is_no_cookie_is_not_found() {
        for line in
            ["", "access_token", "xaccess_token=abc", "Access_Token=abc", "a=access_token=b"]
        {
            assert_eq!(found(&[line.as_bytes()]), None, "{line}");
        }
    }
}
