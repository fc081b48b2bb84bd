//! `GET /ws`: who may open a socket.

use std::sync::Arc;

use axum::{
    extract::{
        Query, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::HeaderMap,
    response::Response,
};
use serde::Deserialize;

use super::{auth::Authenticated, cors, error::Refusal};
use crate::{app::App, ws};

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
    let upgrade = upgrade.max_message_size(ws::MAX_FRAME_BYTES).max_frame_size(ws::MAX_FRAME_BYTES);
    Ok(upgrade.on_upgrade(move |socket| {
        let sockets = app.sockets.clone();
        sockets.track_future(ws::run(socket, bearer, resume, app.hub.clone(), app.closing.clone()))
    }))
}
