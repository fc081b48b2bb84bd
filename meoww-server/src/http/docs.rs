//! `/api-docs`: Swagger UI from our own bundle, for looking at the API and trying it.

use std::sync::Arc;

use axum::{
    Router,
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
};
use utoipa_swagger_ui::{Config, SwaggerUi};

use super::error::Refusal;
use crate::{openapi, services::Services};

const DOCUMENT: &str = "/api-docs/openapi.json";
/// Swagger UI styles by attribute and draws its icons from `data:`; else it needs only us.
const POLICY: &str = "default-src 'none';script-src 'self';style-src 'self' 'unsafe-inline';\
                      img-src 'self' data:;connect-src 'self';base-uri 'none';form-action 'none';\
                      frame-ancestors 'none'";

/// The pages and the document they show.
pub(crate) fn routes() -> Router<Arc<Services>> {
    // Its badge would ask another host what it thinks of the document.
    let config = Config::new([DOCUMENT]).validator_url("none");
    let pages = SwaggerUi::new("/api-docs")
        .config(config)
        .external_url_unchecked(DOCUMENT, openapi::document());
    Router::from(pages).layer(middleware::map_response(with_policy))
}

async fn with_policy(mut response: Response) -> Response {
    // The crate has no words for what it does not have.
    if response.status() == StatusCode::NOT_FOUND {
        return Refusal::NotFound.into_response();
    }
    let policy = HeaderValue::from_static(POLICY);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    response
}
