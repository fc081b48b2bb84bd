//! A worse network: stands between the peers and the server, puts its own UDP sockets in the place
//! of the peers' candidates, and loses and delays what passes through them.

use std::{
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::Duration,
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
use meoww_proto::{
    RoomId,
    signal::{ClientMessage, Relay, RelayPayload},
};
use serde_json::value::RawValue;
use tokio::{
    net::UdpSocket,
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message as Upstream, client::IntoClientRequest},
};

/// What the network does to every packet, each way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Impairment {
    /// Chance to be lost.
    pub(crate) loss: f64,
    /// Time under way.
    pub(crate) delay: Duration,
    /// Width of the path, in kbit/s.
    pub(crate) rate: Option<u32>,
}

impl Impairment {
    const NONE: Self = Self { loss: 0.0, delay: Duration::ZERO, rate: None };

    /// How long a packet of so many bytes keeps the path busy.
    fn takes(self, bytes: usize) -> Duration {
        let bits = bytes as f64 * 8.0;
        self.rate
            .map_or(Duration::ZERO, |rate| Duration::from_secs_f64(bits / f64::from(rate) / 1e3))
    }
}

/// What would wait longer before a narrow path is dropped.
const LONGEST_QUEUE: Duration = Duration::from_millis(400);

struct Proxy {
    upstream: String,
    http: reqwest::Client,
    impairment: Impairment,
    /// Of the room that is under way: the benchmark has one at a time.
    path: Mutex<Option<(RoomId, Arc<Path>)>>,
}

/// Tells the two members of a room apart.
type ConnectionId = u64;

/// Two sockets; each stands for the peer whose candidate it replaced.
struct Path {
    sockets: [UdpSocket; 2],
    peers: [OnceLock<(ConnectionId, SocketAddr)>; 2],
}

/// The address peers should use instead of the server's: the same when nothing is to be impaired.
pub(crate) async fn between(upstream: &str, impairment: Impairment) -> anyhow::Result<String> {
    if impairment == Impairment::NONE {
        return Ok(upstream.to_owned());
    }
    // Only the first call in a process takes effect, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let (upstream, path) = (upstream.to_owned(), Mutex::default());
    let proxy = Proxy { upstream, http: reqwest::Client::new(), impairment, path };
    let app = Router::new().route("/ws", get(socket)).fallback(http).with_state(Arc::new(proxy));
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let address = format!("http://{}", listener.local_addr()?);
    spawn(async move { axum::serve(listener, app).await.context("proxy") });
    Ok(address)
}

#[expect(clippy::disallowed_methods, reason = "lives as long as the benchmark")]
fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) {
    tokio::spawn(task);
}

async fn http(
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
    /// What a peer says, with the proxy in the place of its first IPv4 address and without others.
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
        let Ok(ip) = ip.parse::<Ipv4Addr>() else { return Ok(None) };
        let real = SocketAddr::V4(SocketAddrV4::new(ip, port.parse()?));
        let path = self.path(room_id).await?;
        if path.peers.iter().any(|peer| peer.get().is_some_and(|(id, _)| *id == connection)) {
            return Ok(None);
        }
        let real = (connection, real);
        let Some(side) = (0..2).find(|&side| path.peers[side].set(real).is_ok()) else {
            return Ok(None);
        };
        // The stand-in listens on every address of this machine, so on the peer's own, too.
        let port = path.sockets[side].local_addr()?.port().to_string();
        fields[5] = &port;
        init["candidate"] = fields.join(" ").into();
        Ok(Some(init.to_string()))
    }

    async fn path(self: &Arc<Self>, room_id: RoomId) -> anyhow::Result<Arc<Path>> {
        let fresh = Arc::new(Path {
            sockets: [any_socket().await?, any_socket().await?],
            peers: Default::default(),
        });
        let mut current = self.path.lock().unwrap_or_else(PoisonError::into_inner);
        match &*current {
            Some((id, path)) if *id == room_id => return Ok(path.clone()),
            Some(_) | None => *current = Some((room_id, fresh.clone())),
        }
        for side in 0..2 {
            spawn(forward(fresh.clone(), side, self.impairment));
        }
        Ok(fresh)
    }
}

async fn any_socket() -> std::io::Result<UdpSocket> {
    UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await
}

/// What arrives where `side` is expected goes on to `side`, from where it expects its partner.
#[expect(clippy::disallowed_methods, reason = "a network has a clock")]
async fn forward(path: Arc<Path>, side: usize, impairment: Impairment) {
    let (under_way, mut arriving) = mpsc::channel::<(Instant, Vec<u8>)>(4096);
    let to = path.clone();
    spawn(async move {
        while let Some((at, packet)) = arriving.recv().await {
            sleep_until(at).await;
            if let Some((_, peer)) = to.peers[side].get() {
                let _ = to.sockets[1 - side].send_to(&packet, peer).await;
            }
        }
    });
    let mut packet = vec![0; 2048];
    let mut free = Instant::now();
    while let Ok((length, _)) = path.sockets[side].recv_from(&mut packet).await {
        let now = Instant::now();
        free = free.max(now);
        if rand::random::<f64>() < impairment.loss || free - now > LONGEST_QUEUE {
            continue;
        }
        free += impairment.takes(length);
        // Full is as good as lost.
        let _ = under_way.try_send((free + impairment.delay, packet[..length].to_vec()));
    }
}

fn without_candidates(description: &RawValue) -> anyhow::Result<Box<RawValue>> {
    let mut init: serde_json::Value = serde_json::from_str(description.get())?;
    let sdp = init["sdp"].as_str().unwrap_or_default();
    let kept: Vec<&str> = sdp.lines().filter(|line| !line.starts_with("a=candidate")).collect();
    init["sdp"] = format!("{}\r\n", kept.join("\r\n")).into();
    Ok(RawValue::from_string(init.to_string())?)
}
