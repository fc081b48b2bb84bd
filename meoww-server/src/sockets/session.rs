//! The loop of one connection, whatever its framing: events of the client go to the hub and to its
//! partner, theirs to it, until one side ends it.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures_util::FutureExt;
use meoww_proto::{RoomId, error::SignalErrorCode, signal::ServerMessage};

use super::{connection::Connection, lifetime};
use crate::{
    clock,
    core::lobby::{Departure, Input},
    hub::{Connected, Resumption},
    send_queue::{ConnectionEvent, Inbox, SendQueue},
    services::Services,
    tokens::Bearer,
};

/// How often a client is pinged.
pub(super) const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Longest a write may take before the reader counts as gone.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest the last words may take, with the client's goodbye.
const FAREWELL: Duration = Duration::from_secs(5);
/// Events that are taken together, so that what they lead to is written at once.
const BATCH: usize = 16;

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// The client said goodbye.
    Goodbye,
    /// It is gone, or acts as if it were.
    Lost,
    /// The server closes it, for this reason.
    Close(SignalErrorCode),
}

/// One kind of socket: its frames, and when a client is silent for too long.
pub(super) trait Framing: Send {
    /// What is read at once.
    type Frame: Send;

    /// Whether a client of this kind knows how to take up its room after its connection broke.
    const RESUMES: bool;

    /// Returns whether more may be written before a flush.
    fn has_room(&self) -> bool;

    /// Returns the next frame. Cancel safe.
    fn read(&mut self) -> impl Future<Output = Result<Self::Frame, End>> + Send;

    /// Handles what a frame says, and writes what is answered.
    fn handle(
        &mut self,
        frame: Self::Frame,
        connection: &mut Connection,
    ) -> impl Future<Output = Result<(), End>> + Send;

    /// Writes an event, which goes out with the next flush.
    fn write(&mut self, message: &ServerMessage) -> impl Future<Output = Result<(), End>> + Send;

    /// Writes a ping, or ends the connection of a client that answered none for too long. Called
    /// every [`PING_INTERVAL`].
    fn ping(&mut self) -> impl Future<Output = Result<(), End>> + Send;

    /// Sends what was written.
    fn flush(&mut self) -> impl Future<Output = Result<(), End>> + Send;

    /// Says why, if it is the server that ends the connection, and lets the last words arrive.
    fn close(&mut self, end: End) -> impl Future<Output = ()> + Send;
}

/// Serves one client until its connection ends, and reports it to the hub from first to last.
pub(super) async fn run<F: Framing>(
    services: &Arc<Services>,
    framing: &mut F,
    bearer: Bearer,
    resume: Option<RoomId>,
) {
    let (send_queue, inbox) = SendQueue::new();
    let resumption =
        if F::RESUMES { Resumption::Supported(resume) } else { Resumption::Unsupported };
    let Some(Connected { conn, session_end }) =
        services.hub.connect(bearer, resumption, send_queue).await
    else {
        return;
    };
    let connection = Connection::new(conn, bearer.user, services.clone(), clock::instant());
    let mut session_over = pin!(lifetime::over(&services.store, bearer.session, session_end));
    let mut cut = pin!(inbox.cut());
    let mut session = Session { framing: &mut *framing, connection, inbox };
    let end = tokio::select! {
        biased;
        () = &mut cut => {
            services.hub.metrics.slow_clients_disconnected.inc();
            tracing::info!(user = %bearer.user, "server disconnected a slow client");
            End::Lost
        }
        end = session.exchange(services, session_over.as_mut()) => end,
    };
    let departure = match end {
        End::Lost | End::Close(_) if F::RESUMES => Departure::Lost,
        End::Goodbye | End::Lost | End::Close(_) => Departure::Clean,
    };
    services.hub.send_input(Input::Disconnect(conn, departure)).await;
    // Before the farewell: the partner is not to hear that something was passed on which is read no
    // more.
    drop(session);
    // A client that does not listen even now is left.
    let _ = tokio::time::timeout(FAREWELL, framing.close(end)).await;
}

struct Session<'a, F> {
    framing: &'a mut F,
    connection: Connection,
    inbox: Inbox,
}

impl<F: Framing> Session<'_, F> {
    async fn exchange(
        &mut self,
        services: &Services,
        mut session_over: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> End {
        let mut closing = pin!(services.closing.cancelled());
        let first = tokio::time::Instant::from_std(clock::instant()) + PING_INTERVAL;
        let mut ping = tokio::time::interval_at(first, PING_INTERVAL);
        loop {
            let step = tokio::select! {
                biased;
                () = &mut closing => Err(End::Close(SignalErrorCode::ShuttingDown)),
                () = &mut session_over => Err(End::Close(SignalErrorCode::SessionEnded)),
                event = self.inbox.recv(), if self.framing.has_room() => {
                    self.send_all(event).await
                }
                _ = ping.tick() => self.framing.ping().await,
                frame = self.framing.read(), if self.connection.is_welcome() => {
                    self.handle_all(frame).await
                }
            };
            if let Err(end) = step {
                return end;
            }
            if let Err(end) = self.framing.flush().await {
                return end;
            }
        }
    }

    /// With whatever else waits, to be written as one.
    async fn send_all(&mut self, event: ConnectionEvent) -> Result<(), End> {
        self.send(event).await?;
        for _ in 1..BATCH {
            if !self.framing.has_room() {
                break;
            }
            let Some(event) = self.inbox.try_recv() else { break };
            self.send(event).await?;
        }
        Ok(())
    }

    async fn send(&mut self, event: ConnectionEvent) -> Result<(), End> {
        if let ConnectionEvent::Closed(reason) = event {
            return Err(End::Close(reason));
        }
        match self.connection.deliver(event) {
            Some(message) => self.framing.write(&message).await,
            None => Ok(()),
        }
    }

    /// With whatever else has come, to be answered as one.
    async fn handle_all(&mut self, frame: Result<F::Frame, End>) -> Result<(), End> {
        self.framing.handle(frame?, &mut self.connection).await?;
        for _ in 1..BATCH {
            let Some(frame) = self.framing.read().now_or_never() else { break };
            self.framing.handle(frame?, &mut self.connection).await?;
        }
        Ok(())
    }
}
