//! Sockets: `GET /ws` and everything below `/socket.io/`. This file decides who may open one.

pub(crate) mod connection;
mod lifetime;
mod session;
pub(crate) mod socketio;
pub(crate) mod ws;

use std::sync::Arc;

use axum::{
    Router,
    extract::{
        Query, Request, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    middleware,
    response::Response,
    routing::{MethodFilter, MethodRouter, get, on},
};
use serde::Deserialize;

use self::socketio::Clients;
use crate::{
    core::limits::Network,
    http::{
        auth::Authenticated,
        client::Client,
        cors,
        rate_limiter::{self, Limit},
    },
    services::{Refusal, Services},
};

/// The routes by which sockets are opened.
pub(crate) fn routes(services: &Arc<Services>) -> Router<Arc<Services>> {
    let connect = Limit::all(services, |rate_limiters| &rate_limiters.connect);
    let connect = middleware::from_fn_with_state(connect, rate_limiter::enforce);
    Router::new().route("/ws", get(upgrade).route_layer(connect)).route("/socket.io/", socket_io())
}

/// Query of the upgrade.
#[derive(Deserialize)]
struct SocketQuery {
    /// [`meoww_proto::signal::RESUME_QUERY`].
    resume: Option<String>,
}

/// `GET /ws`.
async fn upgrade(
    State(services): State<Arc<Services>>,
    headers: HeaderMap,
    Authenticated { bearer, .. }: Authenticated,
    query: Result<Query<SocketQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    cors::check_origin(&headers, &services.origins)?;
    if services.sends_away().await {
        return Err(Refusal::Busy);
    }
    let upgrade = upgrade.map_err(|_| Refusal::Invalid("WebSocket upgrade required".into()))?;
    // A room that cannot be read is a room that is over: the client is welcomed without one.
    let resume = query.ok().and_then(|Query(query)| query.resume?.parse().ok());
    Ok(ws::bounded(upgrade).on_upgrade(move |socket| {
        services.sockets.clone().track_future(ws::run(services, socket, bearer, resume))
    }))
}

/// Everything below `/socket.io/`.
fn socket_io() -> MethodRouter<Arc<Services>> {
    let clients = Clients::new();
    on(
        MethodFilter::GET.or(MethodFilter::POST),
        async move |State(services): State<Arc<Services>>,
                    Client(client): Client,
                    request: Request| {
            cors::check_origin(request.headers(), &services.origins)?;
            clients.answer(services, Network::of(client), request).await
        },
    )
}
