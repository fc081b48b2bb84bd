//! `GET /ws` and `/socket.io/`: who may open a socket.

use std::sync::Arc;

use axum::{
    extract::{
        Query, Request, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
    routing::{MethodRouter, any},
};
use serde::Deserialize;

use super::{auth::Authenticated, client::Client, cors, error::Refusal};
use crate::{app::App, core::limits::Network, socketio::Clients, ws};

/// Query of the upgrade.
#[derive(Deserialize)]
pub(crate) struct SocketQuery {
    /// [`meoww_proto::signal::RESUME_QUERY`].
    resume: Option<String>,
}

/// `GET /ws`.
pub(crate) async fn upgrade(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Authenticated { bearer, .. }: Authenticated,
    query: Result<Query<SocketQuery>, QueryRejection>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Result<Response, Refusal> {
    cors::check_origin(&headers, &app.origins)?;
    let upgrade = upgrade.map_err(|_| Refusal::Invalid("WebSocket upgrade required".into()))?;
    // A room that cannot be read is a room that is over: the client is welcomed without one.
    let resume = query.ok().and_then(|Query(query)| query.resume?.parse().ok());
    Ok(ws::bounded(upgrade).on_upgrade(move |mut socket| {
        let sockets = app.sockets.clone();
        sockets.track_future(async move { ws::run(app, &mut socket, bearer, resume).await })
    }))
}

/// Everything below `/socket.io/`.
pub(crate) fn socket_io() -> MethodRouter<Arc<App>> {
    let clients = Clients::new();
    any(async move |State(app): State<Arc<App>>, Client(client): Client, request: Request| {
        cors::check_origin(request.headers(), &app.origins)?;
        clients.answer(app, Network::of(client), request).await
    })
}
