//! Paths in the many ways that clients write them. The Node.js backend's routes (Express) took any
//! letter case and a slash at the end.

use std::borrow::Cow;

use axum::{
    extract::Request,
    http::uri::{PathAndQuery, Uri},
};

/// Below these are names of files and handshakes, which are what they are.
const EXACT: [&str; 3] = ["/photos/", "/api-docs/", "/socket.io/"];

/// The request with its path as routes are written.
pub(crate) fn canonical(mut request: Request) -> Request {
    if let Some(uri) = canonical_uri(request.uri()) {
        *request.uri_mut() = uri;
    }
    request
}

/// `None` if the path is as routes are written.
fn canonical_uri(uri: &Uri) -> Option<Uri> {
    let path = match canonical_path(uri.path()) {
        Cow::Borrowed(_) => return None,
        Cow::Owned(path) => path,
    };
    let path_and_query = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path,
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(path_and_query).ok()?);
    Uri::from_parts(parts).ok()
}

fn canonical_path(path: &str) -> Cow<'_, str> {
    if EXACT.iter().any(|exact| path.starts_with(exact)) {
        return path.into();
    }
    let bare = path.strip_suffix('/').filter(|bare| !bare.is_empty()).unwrap_or(path);
    if bare == path && !path.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return path.into();
    }
    bare.to_ascii_lowercase().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_as_routes_are_written() {
        for (asked, meant) in [
            ("/api/auth/login", "/api/auth/login"),
            ("/api/auth/login/", "/api/auth/login"),
            ("/API/Auth/LOGIN/?A=B", "/api/auth/login?A=B"),
            ("/api/auth/login//", "/api/auth/login/"),
            ("/Health", "/health"),
            ("/ws/?resume=X", "/ws?resume=X"),
            ("/", "/"),
            ("/photos/A.jpg", "/photos/A.jpg"),
            ("/api-docs/", "/api-docs/"),
            ("/socket.io/?EIO=4", "/socket.io/?EIO=4"),
            ("http://x.example/Health/", "http://x.example/health"),
        ] {
            let uri: Uri = asked.parse().expect("a URI");
            let found = canonical_uri(&uri).unwrap_or(uri);
            assert_eq!(found.to_string(), meant, "{asked}");
        }
    }
}
