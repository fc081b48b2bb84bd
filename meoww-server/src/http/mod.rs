//! HTTP: one file a resource, routes as the Node.js backend had them.

mod accounts;
mod auth;
mod body;
mod cookies;
mod cors;
mod error;
pub(crate) mod gate;
mod health;
mod sessions;
mod sockets;
mod turn;

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use meoww_proto::limits::MAX_BODY_BYTES;

pub(crate) use self::{auth::bearer_token, error::Refusal};
use crate::app::App;

/// Longest a request may take, body and answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

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
        .route("/turn-credentials", get(turn::credentials));
    let cors = cors::layer(&app.config.frontend_origins);
    Router::new()
        .nest("/api/auth", auth)
        .route("/ws", get(sockets::upgrade))
        .route("/socket.io/", sockets::socket_io())
        .route("/health", get(health::health))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(in_bounded_time))
        .layer(cors)
        .with_state(app)
}

async fn in_bounded_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Refusal::TooSlow.into_response(),
    }
}
