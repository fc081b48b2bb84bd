//! The socket to the server: connects, and connects again, until it is dropped.

use std::{sync::Arc, time::Duration};

use futures_util::{SinkExt, StreamExt};
use meoww_proto::{
    RoomId,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, RESUME_QUERY, ServerMessage},
};
use tokio::{
    net::TcpStream,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{
        self, Message,
        client::IntoClientRequest,
        http::{HeaderValue, StatusCode, header},
        protocol::{WebSocketConfig, frame::coding::CloseCode},
    },
};

use crate::{api::Api, core::backoff, error::Error};

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// The server pings three times in this long.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(60);
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
const QUEUE: usize = 256;

/// What the link reports.
#[derive(Debug)]
pub enum LinkEvent {
    /// The server said something.
    Message(ServerMessage),
    /// The connection is gone; it is tried again after this long.
    Down {
        /// Until then.
        retry_in: Duration,
    },
    /// It will not be tried again.
    Lost(Error),
}

/// A link that is kept up. Dropping `messages` says goodbye and ends it.
pub struct Link {
    /// To the server. What is sent while the link is down is lost.
    pub messages: mpsc::Sender<ClientMessage>,
    /// From the server.
    pub events: mpsc::Receiver<LinkEvent>,
    /// Ends when the goodbye was said.
    pub task: JoinHandle<()>,
}

impl Link {
    /// Connects once, so that a wrong address or a stale session is an error at once; from then on
    /// it reconnects by itself. `room` is the call to take up again then.
    pub async fn open(api: Arc<Api>, room: watch::Receiver<Option<RoomId>>) -> Result<Self, Error> {
        let socket = connect(&api, None).await?;
        let (messages, outgoing) = mpsc::channel(QUEUE);
        let (incoming, events) = mpsc::channel(QUEUE);
        let worker = Worker { api, room, outgoing, incoming };
        #[expect(clippy::disallowed_methods, reason = "the link is owned by whoever holds it")]
        let task = tokio::spawn(worker.run(socket));
        Ok(Self { messages, events, task })
    }
}

struct Worker {
    api: Arc<Api>,
    room: watch::Receiver<Option<RoomId>>,
    outgoing: mpsc::Receiver<ClientMessage>,
    incoming: mpsc::Sender<LinkEvent>,
}

/// Why a connection was left.
enum Left {
    Broken,
    /// To come back would only displace whoever displaced us.
    Displaced,
    Finished,
}

impl Worker {
    async fn run(mut self, mut socket: Socket) {
        loop {
            match self.carry(&mut socket).await {
                Left::Finished => {
                    let _ = timeout(WRITE_TIMEOUT, socket.close(None)).await;
                    return;
                }
                Left::Displaced => {
                    let _ = self.incoming.send(LinkEvent::Lost(Error::Displaced)).await;
                    return;
                }
                Left::Broken => match self.reconnect().await {
                    Some(fresh) => socket = fresh,
                    None => return,
                },
            }
        }
    }

    async fn carry(&mut self, socket: &mut Socket) -> Left {
        loop {
            tokio::select! {
                outgoing = self.outgoing.recv() => {
                    let Some(message) = outgoing else { return Left::Finished };
                    let sent = socket.send(Message::text(message.encode()));
                    if !matches!(timeout(WRITE_TIMEOUT, sent).await, Ok(Ok(()))) {
                        return Left::Broken;
                    }
                }
                incoming = timeout(SILENCE_TIMEOUT, socket.next()) => match incoming {
                    Ok(Some(Ok(Message::Text(text)))) => {
                        // A newer server may say what this version does not know.
                        let Ok(message) = ServerMessage::decode(&text) else { continue };
                        if self.incoming.send(LinkEvent::Message(message)).await.is_err() {
                            return Left::Finished;
                        }
                    }
                    Ok(Some(Ok(Message::Close(Some(frame))))) if frame.code == CloseCode::Policy => {
                        return Left::Displaced;
                    }
                    Ok(Some(Ok(Message::Close(_)) | Err(_)) | None) | Err(_) => return Left::Broken,
                    Ok(Some(Ok(_))) => {}
                },
            }
        }
    }

    async fn reconnect(&mut self) -> Option<Socket> {
        for attempt in 0.. {
            let retry_in = backoff::delay(attempt, rand::random());
            self.incoming.send(LinkEvent::Down { retry_in }).await.ok()?;
            if !self.wait(retry_in).await {
                return None;
            }
            let room = *self.room.borrow();
            match connect(&self.api, room).await {
                Ok(socket) => return Some(socket),
                Err(error @ (Error::SessionExpired(_) | Error::NotLoggedIn(_))) => {
                    let _ = self.incoming.send(LinkEvent::Lost(error)).await;
                    return None;
                }
                Err(_) => {}
            }
        }
        None
    }

    /// Waits, dropping what nobody can hear; whether anybody still wants the link.
    async fn wait(&mut self, retry_in: Duration) -> bool {
        let over = sleep(retry_in);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => return true,
                message = self.outgoing.recv() => if message.is_none() { return false },
            }
        }
    }
}

/// One connection, with a fresh access token if the kept one is refused.
async fn connect(api: &Api, room: Option<RoomId>) -> Result<Socket, Error> {
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
    let connecting = connect_async_with_config(request, Some(config), true);
    match timeout(CONNECT_TIMEOUT, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(tungstenite::Error::Http(response))) => Err(match response.status() {
            StatusCode::UNAUTHORIZED => Error::SessionExpired(server),
            status => Error::NotMeoww { server, why: format!("the socket answers {status}") },
        }),
        Ok(Err(error)) => Err(Error::Unreachable { server, why: error.to_string() }),
        Err(_) => Err(Error::Unreachable { server, why: "no answer in time".into() }),
    }
}
