//! HTTP: one file a resource, routes as the Node.js backend had them.

mod accounts;
mod auth;
mod body;
mod cookies;
mod cors;
mod error;
pub(crate) mod gate;
mod headers;
mod health;
mod photos;
mod sessions;
mod sockets;
mod turn;
mod upload;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post, put},
};
use meoww_proto::limits::MAX_BODY_BYTES;

use self::error::Refusal;
use crate::app::App;

/// Longest a request may take, body and answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Likewise with a photo in it: 5 MB at 700 kbit/s.
const UPLOAD_TIMEOUT: Duration = Duration::from_secs(60);

/// Every route of the server.
pub(crate) fn router(app: Arc<App>) -> Router {
    let auth = Router::new()
        .route("/signup", post(accounts::signup))
        .route("/verify", post(accounts::verify))
        .route("/resend-otp", post(accounts::resend_otp))
        .route("/login", post(sessions::login))
        .route("/refresh", post(sessions::refresh))
        .route("/logout", post(sessions::logout))
        .route("/me", get(accounts::me))
        .route("/me/photo", put(photos::replace).delete(photos::remove))
        .route("/turn-credentials", get(turn::credentials));
    let cors = cors::layer(&app.config.frontend_origins);
    Router::new()
        .nest("/api/auth", auth)
        .route("/photos/{file}", get(photos::show))
        .route("/ws", get(sockets::upgrade))
        .route("/health", get(health::health))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_bounded_time))
        .layer(cors)
        .layer(middleware::from_fn(cors::without_content))
        .layer(middleware::map_response(headers::secure))
        .with_state(app)
}

async fn in_bounded_time(request: Request, next: Next) -> Response {
    let uploads = upload::is_multipart(request.headers());
    let longest = if uploads { UPLOAD_TIMEOUT } else { REQUEST_TIMEOUT };
    match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::TooSlow.into_response(),
    }
}
