//! The WebSocket side of a connection (RFC 6455): frames in and out, and when to give up on it.

use std::{
    pin::{Pin, pin},
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use futures_util::{FutureExt, SinkExt};
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, DecodeError},
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
    tokens::Bearer,
};

/// Longest frame or message that is read at all. Between this and [`MAX_EVENT_BYTES`] an event is
/// refused and the connection goes on; beyond it, it is closed.
pub(crate) const MAX_FRAME_BYTES: usize = 4 * MAX_EVENT_BYTES;

/// Longest a write may take before the reader counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// Events that are taken together, so that what they lead to is written at once.
pub(crate) const BATCH: usize = 16;
/// How often a quiet client is asked whether it is there.
const PING_INTERVAL: Duration = Duration::from_secs(20);
/// Silence after which it is not.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection we close stays open, so that the last words arrive.
const LINGER: Duration = Duration::from_secs(2);

/// Bytes read at once. An event has a few hundred, and the buffer is cleared for every read.
const READ_BUFFER_BYTES: usize = 1024;

/// What holds for every WebSocket.
pub(crate) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
}

/// Serves one socket until it ends, and reports it to the hub from first to last.
pub(crate) async fn run(
    services: Arc<Services>,
    socket: &mut WebSocket,
    bearer: Bearer,
    resume: Option<RoomId>,
) {
    let _open = Counted::in_gauge(&services.hub.metrics.ws);
    let (outbox, inbox) = Outbox::new();
    let Some(Connected { conn, session_end }) = services.hub.connect(bearer, resume, outbox).await
    else {
        return;
    };
    let connection = Connection::new(conn, bearer.user, services.clone(), clock::instant());
    let mut session_over = pin!(lifetime::over(&services.store, bearer.session, session_end));
    let mut cut = pin!(inbox.cut());
    let mut line = Line { socket, connection, inbox, heard: clock::instant() };
    let departure = tokio::select! {
        biased;
        () = &mut cut => {
            services.hub.metrics.cut.inc();
            tracing::info!(user = %bearer.user, "cut: reads too slowly");
            Departure::Lost
        }
        departure = line.serve(&services, session_over.as_mut()) => departure,
    };
    services.hub.report(Input::Disconnect(conn, departure)).await;
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

struct Line<'a> {
    socket: &'a mut WebSocket,
    connection: Connection,
    inbox: Inbox,
    heard: Instant,
}

impl Line<'_> {
    async fn serve(
        &mut self,
        services: &Services,
        session_over: Pin<&mut impl Future<Output = ()>>,
    ) -> Departure {
        match self.exchange(services, session_over).await {
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

    async fn exchange(
        &mut self,
        services: &Services,
        mut session_over: Pin<&mut impl Future<Output = ()>>,
    ) -> End {
        let mut closing = pin!(services.closing.cancelled());
        let mut ping = tokio::time::interval(PING_INTERVAL);
        loop {
            let step = tokio::select! {
                biased;
                () = &mut closing => Err(End::Close {
                    code: close_code::AWAY,
                    reason: SignalErrorCode::ShuttingDown,
                }),
                () = &mut session_over => Err(End::Close {
                    code: close_code::POLICY,
                    reason: SignalErrorCode::SessionEnded,
                }),
                delivery = self.inbox.recv() => self.tell_all(delivery).await,
                _ = ping.tick() => self.ping().await,
                frame = self.socket.recv() => self.hear_all(frame).await,
            };
            if let Err(end) = step {
                return end;
            }
            if let Err(end) = self.flush().await {
                return end;
            }
        }
    }

    /// With whatever else waits, to be written as one.
    async fn tell_all(&mut self, delivery: Delivery) -> Result<(), End> {
        self.tell(delivery).await?;
        for _ in 1..BATCH {
            let Some(delivery) = self.inbox.try_recv() else { break };
            self.tell(delivery).await?;
        }
        Ok(())
    }

    /// With whatever else has come, to be answered as one.
    async fn hear_all(&mut self, frame: Option<Result<Message, axum::Error>>) -> Result<(), End> {
        self.hear(frame).await?;
        for _ in 1..BATCH {
            let Some(frame) = self.socket.recv().now_or_never() else { break };
            self.hear(frame).await?;
        }
        Ok(())
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
        let heard = match frame {
            Message::Text(text) => {
                self.connection.hear(self.heard, |_| ClientMessage::decode(&text)).await
            }
            Message::Binary(_) => {
                let refused = || DecodeError::Malformed("events are text".into());
                self.connection.hear(self.heard, |_| Err(refused())).await
            }
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Goodbye),
        };
        match heard {
            Heard::Answered(message) => self.write(Message::Text(message.encode().into())).await,
            Heard::Taken | Heard::Dropped => Ok(()),
        }
    }

    /// Goes out with the next [`Self::flush`].
    async fn write(&mut self, message: Message) -> Result<(), End> {
        in_time(self.socket.feed(message)).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        in_time(self.socket.flush()).await
    }

    async fn close(&mut self, code: u16, reason: SignalErrorCode) {
        let words = Message::Text(connection::refusal(reason).encode().into());
        let frame = Message::Close(Some(CloseFrame { code, reason: Default::default() }));
        if self.write(words).await.is_err()
            || self.write(frame).await.is_err()
            || self.flush().await.is_err()
        {
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

async fn in_time(write: impl Future<Output = Result<(), axum::Error>>) -> Result<(), End> {
    match tokio::time::timeout(WRITE_TIMEOUT, write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(End::Lost),
    }
}

fn is_too_long(error: &axum::Error) -> bool {
    let source = std::error::Error::source(error);
    matches!(source.and_then(|e| e.downcast_ref()), Some(tungstenite::Error::Capacity(_)))
}

#[cfg(test)]
mod tests;
