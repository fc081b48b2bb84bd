//! `/ws`: one JSON text frame (RFC 6455) an event.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::extract::ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code};
use futures_util::SinkExt;
use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, DecodeError, ServerMessage},
};

use super::{
    connection::{self, Connection, EventOutcome},
    session::{self, End, Framing, WRITE_TIMEOUT},
};
use crate::{clock, metrics::Counted, services::Services, tokens::Bearer};

/// Longest frame or message that is read at all. Between this and [`MAX_EVENT_BYTES`] an event is
/// refused and the connection goes on; beyond it, it is closed.
pub(crate) const MAX_FRAME_BYTES: usize = 4 * MAX_EVENT_BYTES;

/// Silence after which a client that is pinged counts as gone.
const SILENCE_LIMIT: Duration = Duration::from_secs(60);
/// How long a connection we close stays open, so that the last words arrive.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// Bytes read at once. An event has a few hundred, and the buffer is cleared for every read.
const READ_BUFFER_BYTES: usize = 1024;

/// Bounds that hold for every WebSocket.
pub(crate) fn bounded(upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
    upgrade
        .read_buffer_size(READ_BUFFER_BYTES)
        .max_message_size(MAX_FRAME_BYTES)
        .max_frame_size(MAX_FRAME_BYTES)
}

/// Serves one socket until it ends.
pub(super) async fn run(
    services: Arc<Services>,
    socket: WebSocket,
    bearer: Bearer,
    resume: Option<RoomId>,
) {
    let _open = Counted::in_gauge(&services.hub.metrics.ws);
    let mut frames = Frames { socket, heard: clock::instant() };
    session::run(&services, &mut frames, bearer, resume).await;
}

struct Frames {
    socket: WebSocket,
    /// When a frame came last.
    heard: Instant,
}

impl Framing for Frames {
    type Frame = Message;

    const RESUMES: bool = true;

    fn has_room(&self) -> bool {
        true
    }

    async fn read(&mut self) -> Result<Message, End> {
        read(&mut self.socket).await
    }

    async fn handle(&mut self, frame: Message, connection: &mut Connection) -> Result<(), End> {
        self.heard = clock::instant();
        let decode = || match &frame {
            Message::Text(text) => ClientMessage::decode(text),
            _ => Err(DecodeError::Malformed("events are text".into())),
        };
        match &frame {
            Message::Text(_) | Message::Binary(_) => {}
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
            Message::Close(_) => return Err(End::Goodbye),
        }
        match connection.handle_event(self.heard, false, decode).await {
            EventOutcome::Answered(message) => self.write(&message).await,
            EventOutcome::Refused { error, is_known: false } => {
                self.write(&ServerMessage::Error(error)).await
            }
            EventOutcome::Done | EventOutcome::Refused { is_known: true, .. } => Ok(()),
        }
    }

    async fn write(&mut self, message: &ServerMessage) -> Result<(), End> {
        in_time(self.socket.feed(Message::Text(message.encode().into()))).await
    }

    async fn ping(&mut self) -> Result<(), End> {
        if clock::instant().duration_since(self.heard) >= SILENCE_LIMIT {
            return Err(End::Lost);
        }
        in_time(self.socket.feed(Message::Ping(Default::default()))).await
    }

    async fn flush(&mut self) -> Result<(), End> {
        in_time(self.socket.flush()).await
    }

    async fn close(&mut self, end: End) {
        match end {
            End::Goodbye => answer_goodbye(&mut self.socket).await,
            End::Lost => {}
            End::Close(reason) => {
                if self.write(&connection::refusal(reason)).await.is_ok() {
                    hang_up(&mut self.socket, reason).await;
                }
            }
        }
    }
}

/// Returns the next frame, or why there will be none. Cancel safe.
pub(super) async fn read(socket: &mut WebSocket) -> Result<Message, End> {
    match socket.recv().await {
        Some(Ok(frame)) => Ok(frame),
        Some(Err(error)) if is_too_long(&error) => Err(End::Close(SignalErrorCode::TooLarge)),
        Some(Err(_)) | None => Err(End::Lost),
    }
}

/// Closes a socket whose client said goodbye, in a close frame or in words of its own.
pub(super) async fn answer_goodbye(socket: &mut WebSocket) {
    // The answer to a close frame goes out with the next read.
    if in_time(socket.send(Message::Close(None))).await.is_ok() {
        let _ = tokio::time::timeout(LINGER, socket.recv()).await;
    }
}

/// Sends a close frame after what was written, and waits a moment for the client to take it in.
pub(super) async fn hang_up(socket: &mut WebSocket, reason: SignalErrorCode) {
    let code = match reason {
        SignalErrorCode::ShuttingDown => close_code::AWAY,
        SignalErrorCode::TooLarge => close_code::SIZE,
        _ => close_code::POLICY,
    };
    let frame = Message::Close(Some(CloseFrame { code, reason: Default::default() }));
    if in_time(socket.send(frame)).await.is_err() {
        return;
    }
    // Hanging up on data that was never read resets the connection, and the client's system throws
    // the last words away. What follows an over-long frame cannot be read: then we wait.
    let goodbye = async {
        while let Some(Ok(_)) = socket.recv().await {}
        if code == close_code::SIZE {
            std::future::pending::<()>().await;
        }
    };
    let _ = tokio::time::timeout(LINGER, goodbye).await;
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
