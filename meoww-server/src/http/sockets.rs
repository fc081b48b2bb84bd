//! `GET /ws` and `/socket.io/`: who may open a socket.

use std::sync::Arc;

use axum::{
    extract::{
        Query, Request, State,
        rejection::QueryRejection,
        ws::{WebSocketUpgrade, rejection::WebSocketUpgradeRejection},
    },
    http::{
        HeaderMap, HeaderValue, Uri,
        header::{CONTENT_TYPE, SEC_WEBSOCKET_KEY},
    },
    response::Response,
    routing::{MethodRouter, any},
};
use hyper::upgrade::OnUpgrade;
use serde::Deserialize;
use tower::ServiceExt;

use super::{auth::Authenticated, cors, error::Refusal};
use crate::{
    app::App,
    socketio::{self, Handshakes},
    ws,
};

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
    let upgrade = upgrade
        .read_buffer_size(ws::READ_BUFFER_BYTES)
        .max_message_size(ws::MAX_FRAME_BYTES)
        .max_frame_size(ws::MAX_FRAME_BYTES);
    Ok(upgrade.on_upgrade(move |socket| {
        let sockets = app.sockets.clone();
        sockets.track_future(ws::run(app, socket, bearer, resume))
    }))
}

/// Everything below `/socket.io/`.
pub(crate) fn socket_io(app: &Arc<App>) -> MethodRouter<Arc<App>> {
    let (service, handshakes) = (socketio::service(app.clone()), Handshakes::new());
    any(async move |State(app): State<Arc<App>>, request: Request| {
        cors::check_origin(request.headers(), &app.origins)?;
        let request = without_ballast(request, &handshakes, &app).ok_or(Refusal::Busy)?;
        match service.oneshot(request).await {
            Ok(response) => Ok::<_, Refusal>(response),
            Err(never) => match never {},
        }
    })
}

/// A Socket.IO connection keeps the request that opened it. What it needs of that is copied, as
/// every part of the request refers to the buffer that all of it was read into.
fn without_ballast(request: Request, handshakes: &Handshakes, app: &App) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let mut slim = Request::new(body);
    *slim.method_mut() = parts.method;
    *slim.uri_mut() = parts.uri.to_string().parse().ok()?;
    for name in [SEC_WEBSOCKET_KEY, CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            slim.headers_mut().insert(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
        }
    }
    if !is_follow_up(&parts.uri) {
        slim.extensions_mut().insert(handshakes.begin(&parts.headers, &app.tokens)?);
    }
    if let Some(upgrade) = parts.extensions.get::<OnUpgrade>() {
        slim.extensions_mut().insert(upgrade.clone());
    }
    Some(slim)
}

/// Whether a request belongs to a transport that is already open.
fn is_follow_up(uri: &Uri) -> bool {
    uri.query().is_some_and(|query| query.split('&').any(|pair| pair.starts_with("sid=")))
}
