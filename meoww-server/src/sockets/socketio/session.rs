//! One client: let in or not, then its events to the hub and its partner, and theirs to it.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::Utf8Bytes;
use futures_util::FutureExt;
use meoww_proto::{
    error::SignalErrorCode,
    signal::{DecodeError, ServerMessage},
};

use super::{
    PING_INTERVAL, PING_TIMEOUT,
    handshake::Handshake,
    packet::{self, Packet},
    transport::{Gone, Transport},
};
use crate::{
    clock,
    core::lobby::{Departure, Input},
    hub::Connected,
    metrics::Counted,
    outbox::{Delivery, Inbox, Outbox},
    services::Services,
    sockets::connection::{self, Connection, Heard},
    sockets::lifetime,
    sockets::ws::BATCH,
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
        serve(&services, transport, bearer).await;
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

/// Reports the client to the hub from first to last.
async fn serve(services: &Arc<Services>, transport: Transport, bearer: Bearer) {
    let _open = Counted::in_gauge(&services.hub.metrics.socketio);
    let (outbox, inbox) = Outbox::new();
    let Some(Connected { conn, session_end }) = services.hub.connect(bearer, None, outbox).await
    else {
        return;
    };
    let connection = Connection::new(conn, bearer.user, services.clone(), clock::instant());
    let mut session_over = pin!(lifetime::over(&services.store, bearer.session, session_end));
    let mut cut = pin!(inbox.cut());
    let mut session = Session { transport, connection, inbox, pinged: None };
    let end = tokio::select! {
        biased;
        () = &mut cut => {
            services.hub.metrics.cut.inc();
            tracing::info!(user = %bearer.user, "cut: reads too slowly");
            End::Gone
        }
        end = session.exchange(services, session_over.as_mut()) => end,
    };
    // As in the Node.js backend, whose clients know of no way back, a room does not wait.
    services.hub.report(Input::Disconnect(conn, Departure::Clean)).await;
    if let End::Close(reason) = end {
        session.close(reason).await;
    }
}

/// Why a session ends.
enum End {
    /// The client said goodbye, is gone, or acts as if it were.
    Gone,
    /// We end it, with this reason.
    Close(SignalErrorCode),
}

impl From<Gone> for End {
    fn from(_: Gone) -> Self {
        Self::Gone
    }
}

struct Session {
    transport: Transport,
    connection: Connection,
    inbox: Inbox,
    /// When the last ping was sent.
    pinged: Option<Instant>,
}

impl Session {
    async fn exchange(
        &mut self,
        services: &Services,
        mut session_over: Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let mut closing = pin!(services.closing.cancelled());
        let first = tokio::time::Instant::from_std(clock::instant()) + PING_INTERVAL;
        let mut ping = tokio::time::interval_at(first, PING_INTERVAL);
        loop {
            let step = tokio::select! {
                biased;
                () = &mut closing => Err(End::Close(SignalErrorCode::ShuttingDown)),
                () = &mut session_over => Err(End::Close(SignalErrorCode::SessionEnded)),
                delivery = self.inbox.recv(), if self.transport.has_room() => {
                    self.tell_all(delivery)
                }
                _ = ping.tick() => self.ping(),
                packet = self.transport.read() => self.hear_all(packet).await,
            };
            if let Err(end) = step {
                return end;
            }
            if let Err(gone) = self.transport.flush().await {
                return gone.into();
            }
        }
    }

    /// With whatever else waits, to be written as one.
    fn tell_all(&mut self, delivery: Delivery) -> Result<(), End> {
        self.tell(delivery)?;
        for _ in 1..BATCH {
            if !self.transport.has_room() {
                break;
            }
            let Some(delivery) = self.inbox.try_recv() else { break };
            self.tell(delivery)?;
        }
        Ok(())
    }

    /// With whatever else has come, to be answered as one.
    async fn hear_all(&mut self, packet: Result<Utf8Bytes, Gone>) -> Result<(), End> {
        self.hear(&packet?).await?;
        for _ in 1..BATCH {
            let Some(packet) = self.transport.read().now_or_never() else { break };
            self.hear(&packet?).await?;
        }
        Ok(())
    }

    fn tell(&mut self, delivery: Delivery) -> Result<(), End> {
        if let Delivery::Closed(reason) = delivery {
            return Err(End::Close(reason));
        }
        if let Some(message) = self.connection.deliver(delivery) {
            self.transport.write(packet::event(&message));
        }
        Ok(())
    }

    fn ping(&mut self) -> Result<(), End> {
        // The next ping is due when the time to answer the last one is over.
        const { assert!(PING_INTERVAL.as_secs() == PING_TIMEOUT.as_secs()) };
        if self.pinged.is_some_and(|pinged| self.transport.alive() < pinged) {
            return Err(End::Gone);
        }
        self.pinged = Some(clock::instant());
        self.transport.write(packet::PING.to_owned());
        Ok(())
    }

    async fn hear(&mut self, text: &str) -> Result<(), End> {
        let (arguments, ack) = match Packet::parse(text).ok_or(End::Gone)? {
            // It may ask to be let in once.
            Packet::Bye | Packet::Connect("/") => return Err(End::Gone),
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
        let heard = self.connection.hear(clock::instant(), decode).await;
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

    /// A client that the server disconnects stays away; one whose transport goes comes back by
    /// itself, which it should after a restart.
    async fn close(mut self, reason: SignalErrorCode) {
        self.transport.write(packet::event(&connection::refusal(reason)));
        let last = match reason {
            SignalErrorCode::ShuttingDown => packet::CLOSE,
            _ => packet::DISCONNECT,
        };
        self.transport.write(last.to_owned());
        // Whoever does not listen even now is left.
        let _ = tokio::time::timeout(LINGER, self.transport.close()).await;
    }
}
