//! One client: let in or not, then its packets as events.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{DecodeError, ServerMessage},
};
use uuid::Uuid;

use super::{
    PING_TIMEOUT, engine,
    handshake::Handshake,
    packet::{self, Packet},
    transport::Transport,
};
use crate::{
    clock,
    metrics::Counted,
    services::Services,
    sockets::{
        connection::{self, Connection, EventOutcome},
        session::{self, End, Framing, PING_INTERVAL},
    },
    tokens::Bearer,
};

/// Longest a client may take from opening a transport to being let in.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one client until it goes.
pub(super) async fn run(services: Arc<Services>, mut transport: Transport, handshake: Handshake) {
    let let_in = tokio::select! {
        biased;
        () = services.closing.cancelled() => Err(End::Close(SignalErrorCode::ShuttingDown)),
        let_in = tokio::time::timeout(
            CONNECT_TIMEOUT,
            Box::pin(let_in(&services, &mut transport, handshake)),
        ) => let_in.unwrap_or(Err(End::Lost)),
    };
    match let_in {
        Ok(bearer) => {
            let _open = Counted::in_gauge(&services.hub.metrics.socketio);
            session::run(&services, &mut Client::new(transport), bearer, None).await;
        }
        Err(End::Goodbye) => transport.part().await,
        Err(End::Close(reason)) => transport.close(reason).await,
        Err(End::Lost) => {}
    }
}

/// Returns whom the client speaks for. One that is not let in is told why, and may try again.
async fn let_in(
    services: &Services,
    transport: &mut Transport,
    handshake: Handshake,
) -> Result<Bearer, End> {
    loop {
        transport.flush().await?;
        let Some(text) = transport.read().await? else { continue };
        match Packet::parse(&text).ok_or(End::Lost)? {
            Packet::Ignored => {}
            Packet::Leave => return Err(End::Goodbye),
            Packet::Event { .. } | Packet::Binary { .. } => return Err(End::Lost),
            Packet::Connect("/") => match handshake.admit(services).await {
                Ok(bearer) => {
                    // An id of its own: that of the transport is the key to it, and a front end may
                    // show this one around.
                    let id = Uuid::new_v4().simple().to_string();
                    transport.write(packet::connected(&id));
                    transport.flush().await?;
                    return Ok(bearer);
                }
                Err(why) => transport.write(packet::connect_error("/", why)),
            },
            Packet::Connect(other) => {
                transport.write(packet::connect_error(other, "Invalid namespace"));
            }
        }
    }
}

/// A client that was let in.
struct Client {
    transport: Transport,
    /// When the last ping was sent.
    pinged: Option<Instant>,
    /// The room that data means which names none: that of the last `matched` the client has read.
    room: Option<RoomId>,
    /// The room of a later one, and the ping that went right before it.
    next_room: Option<(u64, RoomId)>,
}

impl Client {
    fn new(transport: Transport) -> Self {
        Self { transport, pinged: None, room: None, next_room: None }
    }

    /// What the client says before it answers the ping, it said to its last partner.
    fn take_pongs(&mut self) {
        let read = self.next_room.take_if(|(ping, _)| self.transport.has_answered(*ping));
        if let Some((_, room)) = read {
            self.room = Some(room);
        }
    }
}

impl Framing for Client {
    type Frame = Option<Utf8Bytes>;

    /// As in the Node.js backend, whose clients know of no way back, a room does not wait.
    const RESUMES: bool = false;

    fn has_room(&self) -> bool {
        self.transport.has_room()
    }

    async fn read(&mut self) -> Result<Option<Utf8Bytes>, End> {
        self.transport.read().await
    }

    async fn handle(
        &mut self,
        text: Option<Utf8Bytes>,
        connection: &mut Connection,
    ) -> Result<(), End> {
        let Some(text) = text else { return Ok(()) };
        let (arguments, ack) = match Packet::parse(&text).ok_or(End::Lost)? {
            // It may ask to be let in once.
            Packet::Connect("/") => return Err(End::Lost),
            Packet::Leave => return Err(End::Goodbye),
            Packet::Ignored => return Ok(()),
            Packet::Connect(other) => {
                self.transport.write(packet::connect_error(other, "Invalid namespace"));
                return Ok(());
            }
            Packet::Event { arguments, ack } => (Some(arguments), ack),
            Packet::Binary { ack } => (None, ack),
        };
        self.take_pongs();
        let decode = || match arguments {
            Some(arguments) => packet::decode(arguments, self.room),
            None => Err(DecodeError::Malformed("events carry no binary data".into())),
        };
        let outcome = connection.handle_event(clock::instant(), ack.is_some(), decode).await;
        let refusal = match &outcome {
            EventOutcome::Done | EventOutcome::Answered(_) => None,
            EventOutcome::Refused { error, .. } => Some(error),
        };
        let answer = ack.map(|id| packet::ack(id, refusal));
        match outcome {
            EventOutcome::Answered(message) => self.transport.write(packet::event(&message)),
            EventOutcome::Refused { error, is_known: false } => {
                self.transport.write(packet::event(&ServerMessage::Error(error)));
            }
            EventOutcome::Done | EventOutcome::Refused { is_known: true, .. } => {}
        }
        if let Some(answer) = answer {
            self.transport.write(answer);
        }
        Ok(())
    }

    async fn write(&mut self, message: &ServerMessage) -> Result<(), End> {
        if let ServerMessage::Matched(matched) = message {
            self.next_room = Some((self.transport.ping(), matched.room_id));
        }
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
        self.transport.ping();
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), End> {
        self.transport.flush().await
    }

    /// A client that the server disconnects stays away; one whose transport goes comes back by
    /// itself, which it should after a restart.
    async fn close(&mut self, end: End) {
        let reason = match end {
            End::Goodbye => return self.transport.part().await,
            End::Lost => return,
            End::Close(reason) => reason,
        };
        self.transport.write(packet::event(&connection::refusal(reason)));
        match reason {
            SignalErrorCode::ShuttingDown => self.transport.write(engine::CLOSE.to_owned()),
            SignalErrorCode::TooLarge => {}
            _ => self.transport.write(packet::DISCONNECT.to_owned()),
        }
        self.transport.close(reason).await;
    }
}
