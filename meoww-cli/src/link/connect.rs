//! One connection of the link: the token, the way through a proxy, and what refusals mean.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use futures_util::{StreamExt, stream::FuturesUnordered};

use meoww_proto::{
    RoomId, account::ApiError, error::ApiErrorCode, limits::MAX_EVENT_BYTES, signal::RESUME_QUERY,
};
use reqwest::Url;
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config,
    tungstenite::{
        self,
        client::IntoClientRequest,
        handshake::client::Request,
        http::{HeaderValue, Response, StatusCode, header},
        protocol::WebSocketConfig,
    },
};

use crate::{
    api::{Api, answer},
    config::ServerUrl,
    error::Error,
    proxy::Proxy,
    text::SafeText,
};

pub(super) type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Where there is another node to go to.
const NODE_TIMEOUT: Duration = Duration::from_secs(4);
/// How long an address of a name may be silent before the next is tried beside it: the Connection
/// Attempt Delay of RFC 8305, section 5.
const STAGGER: Duration = Duration::from_millis(250);
/// Addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;

/// One connection, with a fresh access token if the kept one is refused. Of a name with several
/// addresses, the attempts begin with one after the other.
pub(super) async fn connect(
    api: &Api,
    room: Option<RoomId>,
    attempt: usize,
) -> Result<Socket, Error> {
    let token = api.access_token()?;
    match connect_with(api, room, attempt, &token).await {
        Err(Error::SessionExpired(_)) => {
            let token = api.renewed(&token).await?;
            connect_with(api, room, attempt, &token).await
        }
        other => other,
    }
}

async fn connect_with(
    api: &Api,
    room: Option<RoomId>,
    attempt: usize,
    token: &str,
) -> Result<Socket, Error> {
    let server = api.server().to_string();
    let mut url = api.server().socket();
    if let Some(room) = room {
        url = format!("{url}?{RESUME_QUERY}={room}");
    }
    let bad = |why: String| Error::BadServerUrl { url: url.clone(), why };
    let mut request = url.as_str().into_client_request().map_err(|error| bad(error.to_string()))?;
    let bearer = HeaderValue::try_from(format!("Bearer {token}"));
    let bearer = bearer.map_err(|_| Error::SessionExpired(server.clone()))?;
    request.headers_mut().insert(header::AUTHORIZATION, bearer);
    let config = WebSocketConfig::default()
        .max_message_size(Some(2 * MAX_EVENT_BYTES))
        .max_frame_size(Some(2 * MAX_EVENT_BYTES));
    let is_alone = api.servers().iter().len() == 1;
    let patience = if is_alone { CONNECT_TIMEOUT } else { NODE_TIMEOUT };
    match timeout(patience, dial(api.server(), request, config, attempt)).await {
        Ok(Ok(socket)) => Ok(socket),
        Ok(Err(Failed::Socket(tungstenite::Error::Http(response)))) => {
            Err(refused(api.server(), &response, &url))
        }
        Ok(Err(Failed::Socket(error))) => Err(answer::unreachable(api.server(), &error)),
        Ok(Err(Failed::Proxy(proxy, why))) => Err(Error::ProxyFailed { server, proxy, why }),
        Err(_) => Err(answer::silent(api.server())),
    }
}

/// Why there is no connection.
enum Failed {
    Socket(tungstenite::Error),
    /// The proxy, and why it does not lead there.
    Proxy(String, String),
}

/// Connects, through a proxy where the environment names one.
async fn dial(
    server: &ServerUrl,
    request: Request,
    config: WebSocketConfig,
    attempt: usize,
) -> Result<Socket, Failed> {
    let stream = match Proxy::towards(server.url()) {
        None => {
            let connected = connect_directly(server.url(), attempt).await;
            connected.map_err(|error| Failed::Socket(error.into()))?
        }
        Some(proxy) => {
            let tunnel = proxy.connect(server.url()).await;
            tunnel.map_err(|why| Failed::Proxy(proxy.to_string(), why))?
        }
    };
    let connected = client_async_tls_with_config(request, stream, Some(config), None).await;
    connected.map(|(socket, _)| socket).map_err(Failed::Socket)
}

async fn connect_directly(url: &Url, attempt: usize) -> io::Result<TcpStream> {
    let host = url.host_str().unwrap_or_default();
    // An IPv6 address stands in brackets in a URL, and nowhere else.
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let port = url.port_or_known_default().unwrap_or_default();
    let mut addresses: Vec<SocketAddr> = match bare.parse::<IpAddr>() {
        Ok(address) => vec![(address, port).into()],
        Err(_) => lookup_host((host, port)).await?.take(MAX_ADDRESSES).collect(),
    };
    let count = addresses.len().max(1);
    addresses.rotate_left(attempt % count);
    let stream = first_to_answer(addresses).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Connects to the first address that answers. The next is tried at once where one refuses.
async fn first_to_answer(addresses: Vec<SocketAddr>) -> io::Result<TcpStream> {
    let mut untried = addresses.into_iter();
    let mut attempts = FuturesUnordered::new();
    let mut refused = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
    loop {
        attempts.extend(untried.next().map(TcpStream::connect));
        let patience = if untried.len() == 0 { CONNECT_TIMEOUT } else { STAGGER };
        match timeout(patience, attempts.next()).await {
            Ok(Some(Ok(stream))) => return Ok(stream),
            Ok(Some(Err(error))) => refused = error,
            Ok(None) => return Err(refused),
            Err(_silent) => {}
        }
    }
}

fn refused(server: &ServerUrl, response: &Response<Option<Vec<u8>>>, asked: &str) -> Error {
    match response.status() {
        StatusCode::UNAUTHORIZED => Error::SessionExpired(server.to_string()),
        StatusCode::SERVICE_UNAVAILABLE => {
            let why = "it is going down; try again in a moment".into();
            Error::Unreachable { server: server.to_string(), why }
        }
        StatusCode::FORBIDDEN if let Some(message) = banned(response.body().as_deref()) => {
            Error::Banned(message)
        }
        status => match Url::parse(asked) {
            Ok(asked) => answer::unexpected(server, (status, response.headers()), &asked),
            Err(error) => Error::BadServerUrl { url: asked.to_owned(), why: error.to_string() },
        },
    }
}

/// What the server says to somebody who is banned.
fn banned(body: Option<&[u8]>) -> Option<String> {
    let refusal: ApiError = serde_json::from_slice(body?).ok()?;
    let is_ban = refusal.code == Some(ApiErrorCode::Banned);
    is_ban.then(|| SafeText::new(&refusal.error).to_string())
}

#[cfg(test)]
mod tests {
    use tokio::net::{TcpListener, TcpSocket};

    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_or_is_silent_keeps_nobody_from_the_next() {
        let there = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let there = (there.local_addr().expect("an address"), there);
        // Bound, and nobody listens.
        let refuses = TcpSocket::new_v4().expect("a socket");
        refuses.bind("127.0.0.1:0".parse().expect("an address")).expect("a port");
        let (refuses, _bound) = (refuses.local_addr().expect("an address"), refuses);
        // Of no network (RFC 5737).
        let silent = "192.0.2.1:9".parse().expect("an address");
        for addresses in [vec![refuses, silent, there.0], vec![silent, refuses, there.0]] {
            let stream = first_to_answer(addresses).await.expect("connected");
            assert_eq!(stream.peer_addr().expect("connected"), there.0);
        }
        let error = first_to_answer(vec![refuses]).await.expect_err("it is gone");
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
        let none = first_to_answer(Vec::new()).await.expect_err("no address");
        assert_eq!(none.kind(), io::ErrorKind::NotFound);
    }
}
