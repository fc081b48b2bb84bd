//! The Socket.IO side of a connection, with the events and payloads of the Node.js backend. The
//! protocol is spoken here and not by a crate for the sake of its cost: the crates hold three tasks
//! and some 15 KB for a client that says nothing, and give no way to close its transport.

mod client;
pub(crate) mod handshake;
pub(crate) mod packet;
pub(crate) mod transport;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::{
    extract::{FromRequestParts, Request, WebSocketUpgrade, ws::Message},
    http::{Method, header},
    response::{IntoResponse, Response},
};
use tokio::sync::oneshot;
use uuid::Uuid;

use self::{
    handshake::{Door, Handshake},
    transport::Transport,
};
use crate::{
    core::limits::{Caller, Network},
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
    /// Of those who poll or began so.
    polling: Mutex<HashMap<Uuid, queue::Sender<transport::Request>>>,
}

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

impl Clients {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { door: Door::new(), polling: Mutex::default() })
    }

    fn polling(&self) -> MutexGuard<'_, HashMap<Uuid, queue::Sender<transport::Request>>> {
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
        let known = query.sid.map(|sid| self.polling().get(&sid).cloned().ok_or_else(unknown));
        match (query.websocket, known.transpose()?, request.method()) {
            (true, None, &Method::GET) => self.open_socket(services, network, request).await,
            (true, Some(client), &Method::GET) => upgrade(client, request).await,
            (false, None, &Method::GET) => self.open(services, network, &request),
            (false, Some(client), &Method::GET) => poll(client).await,
            (false, Some(client), &Method::POST) => post(client, request).await,
            // In the words of Engine.IO.
            (false, None, _) => Err(Refusal::Invalid("Bad handshake method".into())),
            _ => Err(Refusal::Invalid("Bad request".into())),
        }
    }

    fn knock(
        &self,
        services: &Services,
        network: Network,
        request: &Request,
    ) -> Result<Handshake, Refusal> {
        services.gates.connect.admit(Caller::Network(network))?;
        self.door.knock(network, request.headers(), &services.tokens).ok_or(Refusal::Busy)
    }

    /// A client begins to poll.
    fn open(
        self: Arc<Self>,
        services: Arc<Services>,
        network: Network,
        request: &Request,
    ) -> Result<Response, Refusal> {
        let handshake = self.knock(&services, network, request)?;
        let sid = Uuid::new_v4();
        let (transport, requests) = Transport::new(None);
        self.polling().insert(sid, requests);
        services.sockets.clone().spawn(async move {
            client::run(services, transport, handshake, &sid.simple().to_string()).await;
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
        let handshake = self.knock(&services, network, &request)?;
        let upgrade = websocket(request).await?;
        Ok(upgrade.on_upgrade(move |socket| {
            services.sockets.clone().track_future(async move {
                let sid = Uuid::new_v4().simple().to_string();
                let (mut transport, _) = Transport::new(Some(socket));
                transport.write(open_packet(&sid, &[]));
                client::run(services, transport, handshake, &sid).await;
            })
        }))
    }
}

fn open_packet(sid: &str, upgrades: &[&str]) -> String {
    let milliseconds = |time: Duration| time.as_secs() * 1000;
    let ping = (milliseconds(PING_INTERVAL), milliseconds(PING_TIMEOUT));
    packet::open(sid, upgrades, ping, ws::MAX_FRAME_BYTES)
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

type Client = queue::Sender<transport::Request>;

async fn poll(client: Client) -> Result<Response, Refusal> {
    let (answer, answered) = oneshot::channel();
    client.push(transport::Request::Poll(answer), 0).map_err(|_| Refusal::Busy)?;
    answered.await.map(text).map_err(|_| unknown())
}

async fn post(client: Client, request: Request) -> Result<Response, Refusal> {
    let body = axum::body::to_bytes(request.into_body(), ws::MAX_FRAME_BYTES).await;
    let body = body.map_err(|_| Refusal::TooLarge)?;
    let packets = String::from_utf8(body.into());
    let packets = packets.map_err(|_| Refusal::Invalid("packets are text".into()))?;
    let (done, taken) = oneshot::channel();
    let bytes = packets.len();
    client.push(transport::Request::Post(packets, done), bytes).map_err(|_| Refusal::Busy)?;
    taken.await.map(|()| text("ok".into())).map_err(|_| unknown())
}

/// A client that polls tries a WebSocket, and stays with it if it works.
async fn upgrade(client: Client, request: Request) -> Result<Response, Refusal> {
    let upgrade = websocket(request).await?;
    Ok(upgrade.on_upgrade(async move |mut socket| {
        let probe = async {
            expect(&mut socket, packet::PROBE).await?;
            socket.send(Message::Text(packet::PROBED.into())).await.ok()?;
            client.push(transport::Request::Probed, 0).ok()?;
            expect(&mut socket, packet::UPGRADE).await
        };
        let worked = tokio::time::timeout(UPGRADE_TIMEOUT, probe).await.ok().flatten();
        let outcome = match worked {
            Some(()) => transport::Request::Upgrade(Box::new(socket)),
            None => transport::Request::NotUpgraded,
        };
        // The client may have gone meanwhile.
        let _ = client.push(outcome, 0);
    }))
}

async fn expect(socket: &mut axum::extract::ws::WebSocket, packet: &str) -> Option<()> {
    match socket.recv().await {
        Some(Ok(Message::Text(text))) if text.as_str() == packet => Some(()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
