//! HTTP: one file a resource, routes as the Node.js backend had them.

mod accounts;
mod addresses;
pub(crate) mod auth;
mod blocks;
mod body;
pub(crate) mod client;
mod cookies;
pub(crate) mod cors;
mod device;
mod docs;
mod error;
mod headers;
mod health;
mod incoming;
mod own_data;
mod passwords;
mod paths;
mod photos;
pub(crate) mod rate_limiter;
mod sessions;
mod turn;
mod upload;
pub(crate) mod watch;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    middleware,
    routing::{delete, get, post, put},
};
use meoww_proto::limits::MAX_BODY_BYTES;
use tower::{Layer, util::MapRequestLayer};

use self::rate_limiter::Limit;
pub(crate) use self::{client::client_of, error::Refusal};
use crate::services::Services;

/// Every route of the server, with those of `sockets`.
pub(crate) fn router(services: Arc<Services>, sockets: Router<Arc<Services>>) -> Router {
    // A layer of the routes would come too late to choose one.
    let routes = MapRequestLayer::new(paths::canonical).layer(routes(services, sockets));
    Router::new().fallback_service(routes)
}

/// Likewise, for paths as they are written here.
pub(crate) fn routes(services: Arc<Services>, sockets: Router<Arc<Services>>) -> Router {
    let cors = cors::layer(services.clone());
    let auth = auth(&services)
        .layer(body::decompression())
        .layer(middleware::map_request(body::canonical_encoding));
    Router::new()
        .nest("/api/auth", auth)
        .route("/photos/{file}", get(photos::show))
        .merge(sockets)
        .route("/health", get(health::health))
        .merge(docs::routes())
        .route("/ready", get(watch::ready))
        .fallback(async || Refusal::NotFound)
        .method_not_allowed_fallback(async || Refusal::MethodNotAllowed)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn_with_state(services.clone(), incoming::bounded))
        .layer(cors)
        .layer(middleware::from_fn_with_state(services.metrics.clone(), watch::request))
        .layer(middleware::from_fn(cors::without_content))
        .layer(middleware::map_response(headers::secure))
        .with_state(services)
}

fn auth(services: &Arc<Services>) -> Router<Arc<Services>> {
    let limited = |limit| middleware::from_fn_with_state(limit, rate_limiter::enforce);
    let signups = || limited(Limit::all(services, |rate_limiters| &rate_limiters.signup));
    let codes_sent =
        || limited(Limit::all(services, |rate_limiters| &rate_limiters.resend).knowing_accounts());
    let codes_tried =
        || limited(Limit::all(services, |rate_limiters| &rate_limiters.verify).knowing_accounts());
    let passwords = || {
        limited(Limit::failures(services, |rate_limiters| &rate_limiters.login).knowing_accounts())
    };
    let refreshes = || limited(Limit::all(services, |rate_limiters| &rate_limiters.refresh));
    let pictures = || limited(Limit::all(services, |rate_limiters| &rate_limiters.photo));
    let turn = get(turn::credentials)
        .route_layer(limited(Limit::all(services, |rate_limiters| &rate_limiters.turn)))
        .route_layer(middleware::from_fn_with_state(services.clone(), auth::required));
    Router::new()
        .route("/signup", post(accounts::signup).route_layer(signups()))
        .route("/verify", post(accounts::verify).route_layer(codes_tried()))
        .route("/resend-otp", post(accounts::resend_otp).route_layer(codes_sent()))
        .route("/login", post(sessions::login).route_layer(passwords()))
        .route("/refresh", post(sessions::refresh).route_layer(refreshes()))
        .route("/logout", post(sessions::logout).route_layer(refreshes()))
        .route("/me", delete(own_data::delete).route_layer(passwords()).get(accounts::me))
        .route("/me/photo", put(photos::replace).route_layer(pictures()).delete(photos::remove))
        .route("/me/export", get(own_data::export))
        .route("/sessions", get(sessions::list).delete(sessions::end_others))
        .route("/sessions/{id}", delete(sessions::end_one))
        .route("/password", post(passwords::change).route_layer(passwords()))
        .route("/password/forgot", post(passwords::forgot).route_layer(codes_sent()))
        .route("/password/reset", post(passwords::reset).route_layer(codes_tried()))
        .route("/email", post(addresses::request).route_layer(codes_sent()))
        .route("/email/confirm", post(addresses::confirm).route_layer(codes_tried()))
        .route("/blocks", get(blocks::list))
        .route("/blocks/{id}", delete(blocks::remove))
        .route("/turn-credentials", turn)
}
