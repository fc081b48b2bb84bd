//! A worse network: stands between the peers and the server, and puts the sockets of an emulated
//! [path](crate::path) in the place of the peers' candidates.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use anyhow::Context;
use axum::{
    Router,
    body::Bytes,
    extract::{
        State, WebSocketUpgrade,
        ws::{Message, WebSocket},
    },
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::{SinkExt, StreamExt};
use meoww_cli::interfaces;
use meoww_examples::network::{Network, Profile};
use meoww_proto::{
    RoomId,
    signal::{ClientMessage, Relay, RelayPayload},
};
use serde_json::value::RawValue;
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message as Upstream, client::IntoClientRequest},
};

use crate::{
    path::{ConnectionId, Named, Path},
    report::PathReport,
};

/// The network between two peers in each call.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Impairment {
    pub(crate) profile: Profile,
    /// Of chance in the first call; each call has one of its own.
    pub(crate) seed: u64,
}

/// The bad network.
pub(crate) struct Impaired {
    /// The address that peers use instead of the server's.
    pub(crate) address: String,
    proxy: Arc<Proxy>,
}

struct Proxy {
    upstream: String,
    http: reqwest::Client,
    impairment: Impairment,
    /// Of the room that is under way: the benchmark has one at a time.
    path: Mutex<Option<(RoomId, Arc<Path>)>>,
    calls: AtomicU64,
}

impl Impaired {
    /// Opens it before a server.
    pub(crate) async fn open(upstream: &str, impairment: Impairment) -> anyhow::Result<Self> {
        // Only the first call in a process takes effect, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let (path, calls) = (Mutex::default(), AtomicU64::new(0));
        let (upstream, http) = (upstream.to_owned(), reqwest::Client::new());
        let proxy = Arc::new(Proxy { upstream, http, impairment, path, calls });
        let app = Router::new().route("/ws", get(socket)).fallback(http_request);
        let app = app.with_state(proxy.clone());
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = format!("http://{}", listener.local_addr()?);
        spawn(async move { axum::serve(listener, app).await.context("proxy") });
        Ok(Self { address, proxy })
    }

    /// The record of the last call.
    pub(crate) fn report(&self) -> Option<PathReport> {
        let path = self.proxy.path.lock().unwrap_or_else(PoisonError::into_inner);
        path.as_ref().map(|(_, path)| path.report())
    }
}

#[expect(clippy::disallowed_methods, reason = "lives as long as the benchmark")]
pub(crate) fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) {
    tokio::spawn(task);
}

async fn http_request(
    State(proxy): State<Arc<Proxy>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, StatusCode> {
    let passed = [header::AUTHORIZATION, header::CONTENT_TYPE, header::COOKIE];
    let mut request = proxy.http.request(method, format!("{}{uri}", proxy.upstream)).body(body);
    for (name, value) in headers.iter().filter(|(name, _)| passed.contains(name)) {
        request = request.header(name, value);
    }
    let response = request.send().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    let (status, headers) = (response.status(), response.headers().clone());
    let body = response.bytes().await.map_err(|_| StatusCode::BAD_GATEWAY)?;
    Ok((status, headers, body).into_response())
}

async fn socket(
    State(proxy): State<Arc<Proxy>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(|socket| async move {
        // A connection that breaks ends both its halves; there is nobody to tell.
        let _ = carry(proxy, headers, socket).await;
    })
}

async fn carry(proxy: Arc<Proxy>, headers: HeaderMap, peer: WebSocket) -> anyhow::Result<()> {
    let connection: ConnectionId = rand::random();
    let url = format!("{}/ws", proxy.upstream.replacen("http", "ws", 1));
    let mut request = url.into_client_request()?;
    let authorization = headers.get(header::AUTHORIZATION).context("no token")?;
    request.headers_mut().insert(header::AUTHORIZATION, authorization.clone());
    let (server, _) = connect_async(request).await?;
    let (mut to_server, mut from_server) = server.split();
    let (mut to_peer, mut from_peer) = peer.split();
    loop {
        tokio::select! {
            message = from_peer.next() => match message {
                Some(Ok(Message::Text(text))) => {
                    if let Some(text) = proxy.rewritten(connection, &text).await? {
                        to_server.send(Upstream::text(text)).await?;
                    }
                }
                // The one who asks is answered by the socket itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(_) | Err(_)) | None => return Ok(()),
            },
            message = from_server.next() => match message {
                Some(Ok(Upstream::Text(text))) => to_peer.send(Message::text(text.as_str())).await?,
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return Ok(()),
            },
        }
    }
}

impl Proxy {
    /// A peer's description or candidate, with the proxy in the place of its first IPv4 address of each
    /// generation and without others.
    async fn rewritten(
        self: &Arc<Self>,
        connection: ConnectionId,
        text: &str,
    ) -> anyhow::Result<Option<String>> {
        let ClientMessage::Relay(Relay { room_id, payload }) = ClientMessage::decode(text)? else {
            return Ok(Some(text.to_owned()));
        };
        let payload = match payload {
            RelayPayload::Candidate(candidate) => {
                match self.replaced(room_id, connection, candidate.get()).await? {
                    Some(candidate) => RelayPayload::Candidate(RawValue::from_string(candidate)?),
                    None => return Ok(None),
                }
            }
            RelayPayload::Offer(sdp) => RelayPayload::Offer(without_candidates(&sdp)?),
            RelayPayload::Answer(sdp) => RelayPayload::Answer(without_candidates(&sdp)?),
            chat @ RelayPayload::Chat(_) => chat,
        };
        Ok(Some(ClientMessage::Relay(Relay { room_id, payload }).encode()))
    }

    async fn replaced(
        self: &Arc<Self>,
        room_id: RoomId,
        connection: ConnectionId,
        json: &str,
    ) -> anyhow::Result<Option<String>> {
        let mut init: serde_json::Value = serde_json::from_str(json)?;
        let line = init["candidate"].as_str().unwrap_or_default().to_owned();
        let mut fields: Vec<&str> = line.split(' ').collect();
        let (Some(ip), Some(port)) = (fields.get(4), fields.get(5)) else { return Ok(None) };
        // A name stands for the address of this machine, where both peers are.
        let ip = match ip.parse() {
            Err(_) if ip.ends_with(".local") => interfaces::main(),
            parsed => parsed.ok(),
        };
        let Some(IpAddr::V4(ip)) = ip else { return Ok(None) };
        let real = SocketAddr::V4(SocketAddrV4::new(ip, port.parse()?));
        let generation = init["usernameFragment"].as_str().unwrap_or_default().to_owned();
        let of = Named { connection, generation, address: real };
        let Some(port) = self.path(room_id).stand_in(of).await? else { return Ok(None) };
        // The stand-in listens on every address of this machine, so on the peer's own, too.
        let (ip, port) = (ip.to_string(), port.to_string());
        (fields[4], fields[5]) = (&ip, &port);
        init["candidate"] = fields.join(" ").into();
        Ok(Some(init.to_string()))
    }

    fn path(&self, room_id: RoomId) -> Arc<Path> {
        let mut current = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, path)) = current.as_ref().filter(|(id, _)| *id == room_id) {
            return path.clone();
        }
        let Impairment { profile, seed } = self.impairment;
        let seed = seed.wrapping_add(self.calls.fetch_add(1, Relaxed));
        let path = Path::open(Network::new(profile, seed));
        *current = Some((room_id, path.clone()));
        path
    }
}

fn without_candidates(description: &RawValue) -> anyhow::Result<Box<RawValue>> {
    let mut init: serde_json::Value = serde_json::from_str(description.get())?;
    let sdp = init["sdp"].as_str().unwrap_or_default();
    let kept: Vec<&str> = sdp.lines().filter(|line| !line.starts_with("a=candidate")).collect();
    init["sdp"] = format!("{}\r\n", kept.join("\r\n")).into();
    Ok(RawValue::from_string(init.to_string())?)
}
