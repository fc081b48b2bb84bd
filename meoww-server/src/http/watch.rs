//! What is counted and logged of every request, and what those who watch the server may ask.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{MatchedPath, Request, State},
    http::{Method, StatusCode, header},
    middleware::Next,
    response::{IntoResponse, Response},
    routing::get,
};

use super::{
    error::{Reason, Refusal},
    health,
};
use crate::{
    clock,
    metrics::{self, Metrics},
    services::Services,
    services::readiness,
};

/// What the separate listener serves.
pub(crate) fn router(services: Arc<Services>) -> Router {
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .fallback(async || Refusal::NotFound)
        .with_state(services)
}

/// `GET /ready`.
pub(crate) async fn ready(
    State(services): State<Arc<Services>>,
) -> (StatusCode, Json<readiness::Report>) {
    let report = services.readiness.report(&services).await;
    let status = if report.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(report))
}

/// `GET /metrics`.
async fn metrics(State(services): State<Arc<Services>>) -> Response {
    let counts = services.hub.counts().await;
    let figures = services.hub.standing().await.figures();
    match services.metrics.encode(counts, figures) {
        Ok(text) => ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text).into_response(),
        Err(_) => Refusal::Internal.into_response(),
    }
}

/// Counts and logs a request by its route: a path may hold what is nobody's business.
pub(crate) async fn request(
    State(metrics): State<Arc<Metrics>>,
    request: Request,
    next: Next,
) -> Response {
    let began = clock::instant();
    let method = known_method(request.method());
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let response = next.run(request).await;
    let route = matched.as_ref().map_or("other", MatchedPath::as_str);
    let status = response.status().as_u16();
    metrics.http.answered(method, route, status);
    if let Some(Reason(reason)) = response.extensions().get() {
        metrics.http.refused(reason);
    }
    tracing::debug!(method, route, status, took = ?clock::instant() - began, "request");
    response
}

/// A client may invent methods, and each would be a counter of its own.
fn known_method(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    }
}
