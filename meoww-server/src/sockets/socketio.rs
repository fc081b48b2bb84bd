//! The Socket.IO side of a connection, with the events and payloads of the Node.js backend. The
//! protocol is spoken here and not by a crate for the sake of its cost: the crates hold three tasks
//! and some 15 KB for a client that says nothing, and give no way to close its transport.

mod body;
mod client;
pub(crate) mod engine;
pub(crate) mod handshake;
pub(crate) mod packet;
mod transport;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, Request, WebSocketUpgrade, ws::Message},
    http::{HeaderMap, Method, header},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;
use uuid::Uuid;

use self::{
    body::Bodies,
    engine::Payload,
    handshake::{Door, Handshake},
    transport::{Post, Transport},
};
use crate::{
    core::{
        fleet::NodeId,
        limits::{Caller, Network},
    },
    queue,
    services::{Refusal, Services},
    sockets::{session::PING_INTERVAL, ws},
};

/// How long it may take to say so.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Longest an upgrade may take.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// Everybody who is there.
pub(crate) struct Clients {
    door: Door,
    bodies: Bodies,
    /// Transports that HTTP requests may name: those that have a WebSocket are gone from here.
    polling: Mutex<HashMap<Uuid, Requests>>,
}

/// The way of HTTP requests to the transport they name.
type Requests = queue::Sender<transport::Request>;

/// The query of a request, as far as it matters.
pub(crate) struct Query {
    websocket: bool,
    sid: Option<Uuid>,
}

impl Query {
    pub(crate) fn parse(query: &str) -> Result<Self, Refusal> {
        let value = |name: &str| {
            query.split('&').filter_map(|pair| pair.split_once('=')).find(|(key, _)| *key == name)
        };
        let is = |name, expected| value(name).is_some_and(|(_, value)| value == expected);
        if !is("EIO", "4") {
            return Err(Refusal::Invalid("Unsupported protocol version".into()));
        }
        let websocket = is("transport", "websocket");
        if !websocket && !is("transport", "polling") {
            return Err(Refusal::Invalid("Transport unknown".into()));
        }
        let sid = value("sid").map(|(_, sid)| sid.parse().map_err(|_| unknown())).transpose()?;
        Ok(Self { websocket, sid })
    }
}

fn unknown() -> Refusal {
    Refusal::Invalid("Session ID unknown".into())
}

/// Draws a session id, of which the first 24 bits say which node it is of: 0 is a server that runs
/// alone.
fn new_sid(node: Option<NodeId>) -> Uuid {
    let mut bytes = *Uuid::new_v4().as_bytes();
    let [_, number @ ..] = node.map_or(0, NodeId::get).to_be_bytes();
    bytes[..number.len()].copy_from_slice(&number);
    Uuid::from_bytes(bytes)
}

/// A session that is over, or one of another node.
fn unknown_here(sid: Uuid, node: Option<NodeId>) -> Refusal {
    let [a, b, c, ..] = *sid.as_bytes();
    let of = NodeId::new(u32::from_be_bytes([0, a, b, c]));
    match (of, node) {
        (Some(of), Some(node)) if of != node => Refusal::Invalid(
            format!(
                "Session ID of another server: it is of node {of}, and this is node {node}. Polling \
                 needs a balancer that keeps a client on one server (docs/scaling.md)"
            )
            .into(),
        ),
        _ => unknown(),
    }
}

impl Clients {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { door: Door::new(), bodies: Bodies::new(), polling: Mutex::default() })
    }

    fn polling(&self) -> MutexGuard<'_, HashMap<Uuid, Requests>> {
        self.polling.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers a request to `/socket.io/`.
    pub(crate) async fn answer(
        self: Arc<Self>,
        services: Arc<Services>,
        network: Network,
        request: Request,
    ) -> Result<Response, Refusal> {
        let query = Query::parse(request.uri().query().unwrap_or_default())?;
        let Some(sid) = query.sid else {
            if services.sends_away().await {
                return Err(Refusal::Busy);
            }
            return match (query.websocket, request.method()) {
                (true, &Method::GET) => self.open_socket(services, network, request).await,
                (false, &Method::GET) => self.open(services, network, request).await,
                _ => Err(Refusal::Invalid("Bad handshake method".into())),
            };
        };
        let requests = self.polling().get(&sid).cloned();
        let requests = requests.ok_or_else(|| unknown_here(sid, services.hub.node()))?;
        match (query.websocket, request.method()) {
            (true, &Method::GET) => self.upgrade(sid, requests, request).await,
            (false, &Method::GET) => poll(requests).await,
            (false, &Method::POST) => self.post(requests, request).await,
            _ => Err(Refusal::MethodNotAllowed),
        }
    }

    async fn knock(
        &self,
        services: &Services,
        network: Network,
        headers: &HeaderMap,
    ) -> Result<Handshake, Refusal> {
        services.rate_limiters.connect.admit(Caller::Network(network)).await?;
        self.door.knock(network, headers, &services.tokens).ok_or(Refusal::Busy)
    }

    /// A client begins to poll.
    async fn open(
        self: Arc<Self>,
        services: Arc<Services>,
        network: Network,
        request: Request,
    ) -> Result<Response, Refusal> {
        let handshake = self.knock(&services, network, request.headers()).await?;
        let sid = new_sid(services.hub.node());
        let (transport, requests) = Transport::new(None);
        self.polling().insert(sid, requests);
        services.sockets.clone().spawn(async move {
            client::run(services, transport, handshake).await;
            self.polling().remove(&sid);
        });
        Ok(text(open_packet(&sid.simple().to_string(), &["websocket"])))
    }

    /// A client begins with a WebSocket.
    async fn open_socket(
        self: Arc<Self>,
        services: Arc<Services>,
        network: Network,
        request: Request,
    ) -> Result<Response, Refusal> {
        let handshake = self.knock(&services, network, request.headers()).await?;
        let upgrade = websocket(request).await?;
        Ok(upgrade.on_upgrade(move |socket| {
            services.sockets.clone().track_future(async move {
                let sid = Uuid::new_v4().simple().to_string();
                let (mut transport, _) = Transport::new(Some(socket));
                transport.write(open_packet(&sid, &[]));
                client::run(services, transport, handshake).await;
            })
        }))
    }

    async fn post(&self, requests: Requests, request: Request) -> Result<Response, Refusal> {
        let (body, share) = self.bodies.read(request.into_body()).await?;
        let bytes = body.len();
        let Some(packets) = Payload::parse(body) else {
            // A transport that is gone meanwhile needs no end.
            let _ = requests.push(transport::Request::Malformed, 0);
            return Err(Refusal::Invalid("Malformed packet".into()));
        };
        let (done, handled) = oneshot::channel();
        let post = transport::Request::Post(Post { packets, done, _share: share });
        requests.push(post, bytes).map_err(|_| Refusal::Busy)?;
        handled.await.map(|()| text("ok".into())).map_err(|_| unknown())
    }

    /// A client that polls tries a WebSocket, and stays with it if it works.
    async fn upgrade(
        self: Arc<Self>,
        sid: Uuid,
        requests: Requests,
        request: Request,
    ) -> Result<Response, Refusal> {
        let upgrade = websocket(request).await?;
        Ok(upgrade.on_upgrade(async move |mut socket| {
            let probe = async {
                expect(&mut socket, engine::PROBE).await?;
                socket.send(Message::Text(engine::PROBED.into())).await.ok()?;
                requests.push(transport::Request::Probed, 0).ok()?;
                expect(&mut socket, engine::UPGRADE).await
            };
            let worked = tokio::time::timeout(UPGRADE_TIMEOUT, probe).await.ok().flatten();
            let outcome = match worked {
                // Of several, the first to get here; what names the transport later is refused.
                Some(()) => match self.polling().remove(&sid) {
                    Some(_) => transport::Request::Upgrade(Box::new(socket)),
                    None => return,
                },
                None => transport::Request::NotUpgraded,
            };
            // The client may have gone meanwhile.
            let _ = requests.push(outcome, 0);
        }))
    }
}

fn open_packet(sid: &str, upgrades: &[&str]) -> String {
    let milliseconds = |time: Duration| time.as_secs() * 1000;
    let ping = (milliseconds(PING_INTERVAL), milliseconds(PING_TIMEOUT));
    engine::open(sid, upgrades, ping, ws::MAX_FRAME_BYTES)
}

fn text(body: String) -> Response {
    ([(header::CACHE_CONTROL, "no-store")], body).into_response()
}

async fn websocket(request: Request) -> Result<WebSocketUpgrade, Refusal> {
    let (mut parts, _) = request.into_parts();
    let upgrade = WebSocketUpgrade::from_request_parts(&mut parts, &()).await;
    let upgrade = upgrade.map_err(|_| Refusal::Invalid("WebSocket upgrade required".into()))?;
    Ok(ws::bounded(upgrade))
}

async fn poll(requests: Requests) -> Result<Response, Refusal> {
    let (answer, answered) = oneshot::channel();
    requests.push(transport::Request::Poll(answer), 0).map_err(|_| Refusal::Busy)?;
    answered.await.map(text).map_err(|_| unknown())
}

async fn expect(socket: &mut axum::extract::ws::WebSocket, packet: &str) -> Option<()> {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) if text.as_str() == packet => Some(()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
