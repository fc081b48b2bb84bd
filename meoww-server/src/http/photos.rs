//! Profile photos: the one of one's own account, and everybody's to look at.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, Request, State, rejection::PathRejection},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use meoww_proto::account::User;

use super::{auth::Authenticated, error::Refusal, upload};
use crate::{
    core::account::Account,
    photos::{Photo, PhotoId},
    services::Services,
};

/// A photo never changes under its name, and is no page whatever its bytes say. Pages of the front
/// end, which may be of another origin, show it.
const HEADERS: [(HeaderName, HeaderValue); 5] = [
    (header::CONTENT_TYPE, HeaderValue::from_static("image/jpeg")),
    (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable")),
    (header::CONTENT_DISPOSITION, HeaderValue::from_static("inline")),
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("cross-origin"),
    ),
];

/// `GET /photos/{file}`.
pub(crate) async fn show(
    State(services): State<Arc<Services>>,
    file: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let Path(file) = file.map_err(|_| Refusal::NotFound)?;
    let id: PhotoId = file.parse().map_err(|_| Refusal::NotFound)?;
    let tag = format!("\"{id}\"");
    let not_modified =
        || (StatusCode::NOT_MODIFIED, HEADERS, [(header::ETAG, tag.clone())]).into_response();
    // A name determines the bytes, so a matching tag needs no read.
    if is_known(&headers, &tag) {
        return Ok(not_modified());
    }
    let photo = services.photos.get(id).await?.ok_or(Refusal::NotFound)?;
    if is_known(&headers, "*") {
        return Ok(not_modified());
    }
    Ok((HEADERS, [(header::ETAG, tag)], photo).into_response())
}

/// Whether the client says that it has what is under this tag (RFC 9110, 13.1.2).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let mut tags = tags.flat_map(|tags| tags.split(','));
    tags.any(|known| known.trim().trim_start_matches("W/") == tag)
}

/// `PUT /api/auth/me/photo`.
pub(crate) async fn replace(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
    request: Request,
) -> Result<Json<User>, Refusal> {
    let upload = upload::photo(request, &services.photos).await?;
    let photo = services.photos.standardise(upload).await?;
    change(&services, &account, Some(photo)).await
}

/// `DELETE /api/auth/me/photo`.
pub(crate) async fn remove(
    State(services): State<Arc<Services>>,
    Authenticated { account, .. }: Authenticated,
) -> Result<Json<User>, Refusal> {
    change(&services, &account, None).await
}

async fn change(
    services: &Arc<Services>,
    account: &Account,
    photo: Option<Photo>,
) -> Result<Json<User>, Refusal> {
    const GONE: Refusal = Refusal::Unauthenticated("Invalid token");
    let account = services.change_photo(account.id, photo).await?.ok_or(GONE)?;
    Ok(Json(services.user(&account)))
}
