//! The WebSocket side of a connection (RFC 6455): frames in and out, and when to give up on it.

use std::time::{Duration, Instant};

use axum::extract::ws::{CloseFrame, Message, WebSocket, close_code};
use meoww_proto::{RoomId, error::SignalErrorCode, limits::MAX_EVENT_BYTES};
use tokio_util::sync::CancellationToken;

use crate::{
    clock,
    connection::{self, Connection},
    core::lobby::{Departure, Input},
    hub::HubHandle,
    metrics::Counted,
    outbox::{Delivery, Inbox, Outbox},
    tokens::Bearer,
};

/// Longest frame or message that is read at all. Between this and [`MAX_EVENT_BYTES`] an event is
/// refused and the connection goes on; beyond it, it is closed.
pub(crate) const MAX_FRAME_BYTES: usize = 4 * MAX_EVENT_BYTES;

/// Longest a write may take before the reader counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a quiet client is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Silence after which it is not.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection we close stays open, so that the last words arrive.
const LINGER: Duration = Duration::from_secs(2);

/// Serves one socket until it ends, and reports it to the hub from first to last.
pub(crate) async fn run(
    socket: WebSocket,
    bearer: Bearer,
    resume: Option<RoomId>,
    hub: HubHandle,
    closing: CancellationToken,
) {
    let _open = Counted::in_gauge(&hub.metrics.ws);
    let (outbox, inbox) = Outbox::new();
    let Some(conn) = hub.connect(bearer, resume, outbox.clone()).await else { return };
    let connection = Connection::new(conn, bearer.user, hub.clone(), clock::instant());
    let mut line = Line { socket, connection, inbox, heard: clock::instant() };
    let departure = tokio::select! {
        biased;
        () = outbox.cut() => {
            hub.metrics.cut.inc();
            tracing::info!(user = %bearer.user, "cut: reads too slowly");
            Departure::Lost
        }
        departure = line.serve(&closing) => departure,
    };
    hub.report(Input::Disconnect(conn, departure)).await;
}

/// Why the loop of a socket ends.
enum End {
    /// The client said goodbye.
    Goodbye,
    /// It is gone, or acts as if it were.
    Lost,
    /// We end it, with these words.
    Close { code: u16, reason: SignalErrorCode },
}

struct Line {
    socket: WebSocket,
    connection: Connection,
    inbox: Inbox,
    heard: Instant,
}

impl Line {
    async fn serve(&mut self, closing: &CancellationToken) -> Departure {
        match self.exchange(closing).await {
            End::Goodbye => {
                // The answer to a close frame goes out with the next read.
                let _ = tokio::time::timeout(LINGER, self.socket.recv()).await;
                Departure::Clean
            }
            End::Lost => Departure::Lost,
            End::Close { code, reason } => {
                self.close(code, reason).await;
                Departure::Lost
            }
        }
    }

    async fn exchange(&mut self, closing: &CancellationToken) -> End {
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            let step = tokio::select! {
                biased;
                () = closing.cancelled() => Err(End::Close {
                    code: close_code::AWAY,
                    reason: SignalErrorCode::ShuttingDown,
                }),
                delivery = self.inbox.recv() => match delivery {
                    Some(delivery) => self.tell(delivery).await,
                    None => Err(End::Lost),
                },
                _ = ping.tick() => self.ping().await,
                frame = self.socket.recv() => self.hear(frame).await,
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn tell(&mut self, delivery: Delivery) -> Result<(), End> {
        if let Delivery::Closed(reason) = delivery {
            return Err(End::Close { code: close_code::POLICY, reason });
        }
        match self.connection.deliver(delivery) {
            Some(message) => self.write(Message::Text(message.encode().into())).await,
            None => Ok(()),
        }
    }

    async fn ping(&mut self) -> Result<(), End> {
        if clock::instant().duration_since(self.heard) >= SILENCE_LIMIT {
            return Err(End::Lost);
        }
        self.write(Message::Ping(Default::default())).await
    }

    async fn hear(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(error)) if is_too_long(&error) => {
                let reason = SignalErrorCode::TooLarge;
                return Err(End::Close { code: close_code::SIZE, reason });
            }
            Some(Err(_)) | None => return Err(End::Lost),
        };
        self.heard = clock::instant();
        let answer = match frame {
            Message::Text(text) => self.connection.hear(Some(text.as_str()), self.heard).await,
            Message::Binary(_) => self.connection.hear(None, self.heard).await,
            Message::Ping(_) | Message::Pong(_) => None,
            Message::Close(_) => return Err(End::Goodbye),
        };
        match answer {
            Some(message) => self.write(Message::Text(message.encode().into())).await,
            None => Ok(()),
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        match tokio::time::timeout(WRITE_TIMEOUT, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(End::Lost),
        }
    }

    async fn close(&mut self, code: u16, reason: SignalErrorCode) {
        let words = Message::Text(connection::refusal(reason).encode().into());
        let frame = Message::Close(Some(CloseFrame { code, reason: Default::default() }));
        if self.write(words).await.is_err() || self.write(frame).await.is_err() {
            return;
        }
        // Hanging up on data that was never read resets the connection, and the client's system
        // throws our words away. What follows an over-long frame cannot be read: then we wait.
        let goodbye = async {
            while let Some(Ok(_)) = self.socket.recv().await {}
            if code == close_code::SIZE {
                std::future::pending::<()>().await;
            }
        };
        let _ = tokio::time::timeout(LINGER, goodbye).await;
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(source.and_then(|e| e.downcast_ref()), Some(tungstenite::Error::Capacity(_)))
}
