//! The Socket.IO side of a connection (protocol revision 5, over Engine.IO revision 4), with the
//! events and payloads of the Node.js backend: who may connect, and what comes in.

mod handshake;
mod session;

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{body::Body, extract::Request, response::Response};
use meoww_proto::limits::MAX_EVENT_BYTES;
use socketioxide::{
    ParserConfig, SocketIo,
    adapter::LocalAdapter,
    extract::{AckSender, SocketRef},
    handler::{ConnectHandler, FromMessageParts, MessageHandler, Value},
    socket::{DisconnectReason, Socket},
};
use tokio_util::task::TaskTracker;
use tower::{Service, ServiceExt};

pub(crate) use self::handshake::Handshakes;
use self::{handshake::Handshake, session::Event};
use crate::{
    app::App,
    queue::{self, Bounds},
    ws,
};

/// Longest a client may take from opening a transport to being let in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a client is asked whether it is there; a poll waits no longer than that for an answer.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// How long it may take to say so.
const PING_TIMEOUT: Duration = Duration::from_secs(20);
/// Packets the transport may hold back; what else waits, waits in the outbox, where it is bounded
/// in bytes, too.
const TRANSPORT_PACKETS: usize = 32;
/// Events of a client that may wait for us: more than it may send at once.
const HEARD: Bounds = Bounds { items: 512, bytes: 16 * MAX_EVENT_BYTES };

/// What answers requests below `/socket.io/`; its connections end when `app` closes.
pub(crate) fn service(
    app: Arc<App>,
) -> impl Service<Request, Response = Response, Error = Infallible, Future: Send> + Clone + Send + Sync
{
    let (service, io) = SocketIo::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .ping_timeout(PING_TIMEOUT)
        .max_buffer_size(TRANSPORT_PACKETS)
        .max_payload(ws::MAX_FRAME_BYTES as u64)
        .ws_max_message_size(ws::MAX_FRAME_BYTES)
        .ws_max_frame_size(ws::MAX_FRAME_BYTES)
        .ws_read_buffer_size(ws::READ_BUFFER_BYTES)
        // No event of ours carries binary attachments.
        .with_parser(ParserConfig::common().max_incoming_binaries(0))
        .build_svc();
    let sessions = TaskTracker::new();
    app.sockets.spawn(close(app.clone(), io.clone(), sessions.clone()));
    let admit = {
        let app = app.clone();
        move |socket: SocketRef| admit(app.clone(), socket)
    };
    let start = move |socket: SocketRef| {
        let (app, sessions) = (app.clone(), sessions.clone());
        async move {
            if let Some(handshake) = Handshake::of(&socket)
                && let Some(admitted) = handshake.take()
            {
                sessions.spawn(session::run(app, socket, admitted));
            }
        }
    };
    io.ns("/", start.with(admit));
    ServiceExt::<Request>::map_response(service, |response| response.map(Body::new))
}

/// Says goodbye to everybody before the transports go.
async fn close(app: Arc<App>, io: SocketIo, sessions: TaskTracker) {
    app.closing.cancelled().await;
    sessions.close();
    sessions.wait().await;
    io.close().await;
}

/// Lets a client in, or says why not. Its events are listened to before it learns that it may send
/// any, so that none is lost.
async fn admit(app: Arc<App>, socket: SocketRef) -> Result<(), &'static str> {
    let handshake = Handshake::of(&socket).ok_or(handshake::NO_COOKIES)?;
    let bearer = handshake.admit(&app).await?;
    let (ears, heard) = queue::bounded(HEARD);
    let gone = ears.clone();
    socket.on_fallback(Ears(ears));
    socket.on_disconnect(move |_: DisconnectReason| async move { gone.close() });
    handshake.put(bearer, heard)
}

/// Takes in the events of one client, in their order.
struct Ears(queue::Sender<Event>);

/// Tells this handler's arguments from those that socketioxide takes apart itself.
struct AsTheyCome;

impl MessageHandler<LocalAdapter, AsTheyCome> for Ears {
    fn call(&self, socket: Arc<Socket>, mut value: Value, ack: Option<i64>) {
        let bytes = value.as_str().map_or(0, |text| text.len());
        let acknowledge =
            ack.and_then(|_| AckSender::from_message_parts(&socket, &mut value, &ack).ok());
        // What does not fit is over any rate, and what did fit is refused for it.
        let _ = self.0.push(Event { value, acknowledge }, bytes);
    }
}
