//! One client: let in or not, then its packets as events.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;
use meoww_proto::{
    error::SignalErrorCode,
    signal::{DecodeError, ServerMessage},
};

use super::{
    PING_TIMEOUT,
    handshake::Handshake,
    packet::{self, Packet},
    transport::{Gone, Transport},
};
use crate::{
    clock,
    metrics::Counted,
    services::Services,
    sockets::{
        connection::{self, Connection, Heard},
        session::{self, End, Framing, PING_INTERVAL},
    },
    tokens::Bearer,
};

/// Longest a client may take from opening a transport to being let in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection we close stays open, so that the last words arrive.
const LINGER: Duration = Duration::from_secs(2);

/// Serves one client until it goes.
pub(super) async fn run(
    services: Arc<Services>,
    mut transport: Transport,
    handshake: Handshake,
    sid: &str,
) {
    let let_in = tokio::select! {
        biased;
        () = services.closing.cancelled() => None,
        let_in = tokio::time::timeout(
            CONNECT_TIMEOUT,
            Box::pin(let_in(&services, &mut transport, handshake, sid)),
        ) => let_in.ok().and_then(Result::ok),
    };
    if let Some(bearer) = let_in {
        let _open = Counted::in_gauge(&services.hub.metrics.socketio);
        session::run(&services, &mut Client { transport, pinged: None }, bearer, None).await;
    }
}

/// Whom it was that was let in; those who were not are told why, and may try again.
async fn let_in(
    services: &Services,
    transport: &mut Transport,
    handshake: Handshake,
    sid: &str,
) -> Result<Bearer, Gone> {
    transport.flush().await?;
    loop {
        let text = transport.read().await?;
        match Packet::parse(&text).ok_or(Gone)? {
            Packet::Alive => {}
            Packet::Bye | Packet::Event { .. } | Packet::Binary { .. } => return Err(Gone),
            Packet::Connect("/") => match handshake.admit(services).await {
                Ok(bearer) => {
                    transport.write(packet::connected(sid));
                    transport.flush().await?;
                    return Ok(bearer);
                }
                Err(why) => transport.write(packet::connect_error("/", why)),
            },
            Packet::Connect(other) => {
                transport.write(packet::connect_error(other, "Invalid namespace"));
            }
        }
        transport.flush().await?;
    }
}

/// A client that was let in.
struct Client {
    transport: Transport,
    /// When the last ping was sent.
    pinged: Option<Instant>,
}

impl Framing for Client {
    type Frame = Utf8Bytes;

    /// As in the Node.js backend, whose clients know of no way back, a room does not wait.
    const RESUMES: bool = false;

    fn has_room(&self) -> bool {
        self.transport.has_room()
    }

    async fn read(&mut self) -> Result<Utf8Bytes, End> {
        self.transport.read().await.map_err(End::from)
    }

    async fn handle(&mut self, text: Utf8Bytes, connection: &mut Connection) -> Result<(), End> {
        let (arguments, ack) = match Packet::parse(&text).ok_or(End::Lost)? {
            // It may ask to be let in once.
            Packet::Bye | Packet::Connect("/") => return Err(End::Goodbye),
            Packet::Alive => return Ok(()),
            Packet::Connect(other) => {
                self.transport.write(packet::connect_error(other, "Invalid namespace"));
                return Ok(());
            }
            Packet::Event { arguments, ack } => (Some(arguments), ack),
            Packet::Binary { ack } => (None, ack),
        };
        let decode = |room| match arguments {
            Some(arguments) => packet::decode(arguments, room),
            None => Err(DecodeError::Malformed("events carry no binary data".into())),
        };
        let heard = connection.hear(clock::instant(), decode).await;
        let said = match &heard {
            Heard::Dropped => return Ok(()),
            Heard::Taken => None,
            Heard::Answered(message) => Some(message),
        };
        if let Some(message) = said {
            self.transport.write(packet::event(message));
        }
        if let Some(id) = ack {
            let refusal = said.filter(|said| matches!(said, ServerMessage::Error(_)));
            self.transport.write(packet::ack(id, refusal));
        }
        Ok(())
    }

    async fn write(&mut self, message: &ServerMessage) -> Result<(), End> {
        self.transport.write(packet::event(message));
        Ok(())
    }

    async fn ping(&mut self) -> Result<(), End> {
        // The next ping is due when the time to answer the last one is over.
        const { assert!(PING_INTERVAL.as_secs() == PING_TIMEOUT.as_secs()) };
        if self.pinged.is_some_and(|pinged| self.transport.alive() < pinged) {
            return Err(End::Lost);
        }
        self.pinged = Some(clock::instant());
        self.transport.write(packet::PING.to_owned());
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.transport.flush().await.map_err(End::from)
    }

    /// A client that the server disconnects stays away; one whose transport goes comes back by
    /// itself, which it should after a restart.
    async fn close(&mut self, end: End) {
        let End::Close(reason) = end else { return };
        self.transport.write(packet::event(&connection::refusal(reason)));
        let last = match reason {
            SignalErrorCode::ShuttingDown => packet::CLOSE,
            _ => packet::DISCONNECT,
        };
        self.transport.write(last.to_owned());
        let _ = tokio::time::timeout(LINGER, self.transport.close()).await;
    }
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Lost
    }
}
