//! One connection of the link: the token, the way through a proxy, and what refusals mean.

use std::time::Duration;

use meoww_proto::{
    RoomId, account::ApiError, error::ApiErrorCode, limits::MAX_EVENT_BYTES, signal::RESUME_QUERY,
};
use reqwest::Url;
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, client_async_tls_with_config, connect_async_with_config,
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

/// One connection, with a fresh access token if the kept one is refused.
pub(super) async fn connect(api: &Api, room: Option<RoomId>) -> Result<Socket, Error> {
    let token = api.access_token()?;
    match connect_with(api, room, &token).await {
        Err(Error::SessionExpired(_)) => {
            let token = api.renewed(&token).await?;
            connect_with(api, room, &token).await
        }
        other => other,
    }
}

async fn connect_with(api: &Api, room: Option<RoomId>, token: &str) -> Result<Socket, Error> {
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
    match timeout(CONNECT_TIMEOUT, dial(api.server(), request, config)).await {
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
) -> Result<Socket, Failed> {
    let connected = match Proxy::towards(server.url()) {
        None => connect_async_with_config(request, Some(config), true).await,
        Some(proxy) => {
            let tunnel = proxy.connect(server.url()).await;
            let tunnel = tunnel.map_err(|why| Failed::Proxy(proxy.to_string(), why))?;
            client_async_tls_with_config(request, tunnel, Some(config), None).await
        }
    };
    connected.map(|(socket, _)| socket).map_err(Failed::Socket)
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
