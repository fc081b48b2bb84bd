//! One client that was let in: its events to the hub and its partner, and theirs to it.

use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, DecodeError, ServerMessage},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;
use socketioxide::{
    SendError, SocketError,
    extract::{AckSender, SocketRef},
    handler::Value,
};

use super::handshake::Admitted;
use crate::{
    app::App,
    clock,
    connection::{self, Connection, Heard},
    core::lobby::{Departure, Input},
    lifetime,
    metrics::Counted,
    outbox::{Delivery, Inbox, Outbox},
    queue,
    tokens::Bearer,
};

/// Longest the transport may have no room before the client counts as gone.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// How soon it is asked again whether it has room: it cannot tell by itself.
const FULL_PAUSE: Duration = Duration::from_millis(20);
/// Likewise, once there is nothing left to say but goodbye.
const GOODBYE_PAUSE: Duration = Duration::from_secs(1);

/// An event as it came: `["name", data, ...]`.
pub(super) struct Event {
    pub(super) value: Value,
    pub(super) acknowledge: Option<AckSender>,
}

/// Serves one client until it goes, and reports it to the hub from first to last.
pub(super) async fn run(app: Arc<App>, socket: SocketRef, Admitted { bearer, heard }: Admitted) {
    let _open = Counted::in_gauge(&app.hub.metrics.socketio);
    let (outbox, inbox) = Outbox::new();
    let Some(conn) = app.hub.connect(bearer, None, outbox).await else { return };
    let connection = Connection::new(conn, bearer.user, app.hub.clone(), clock::instant());
    let cut = inbox.cut();
    let mut session = Session { socket, connection, inbox, heard };
    let end = tokio::select! {
        biased;
        () = cut => End::Stalled,
        end = session.exchange(&app, bearer) => end,
    };
    // As in the Node.js backend, whose clients know of no way back, a room does not wait.
    app.hub.report(Input::Disconnect(conn, Departure::Clean)).await;
    match end {
        End::Gone => {}
        End::Close(reason) => session.close(&app, reason).await,
        End::Stalled => {
            app.hub.metrics.cut.inc();
            tracing::info!(user = %bearer.user, "cut: reads too slowly");
            session.hang_up(&app).await;
        }
    }
}

/// Why a session ends.
enum End {
    /// The client said goodbye or is gone.
    Gone,
    /// It does not read what it is sent.
    Stalled,
    /// We end it, with this reason.
    Close(SignalErrorCode),
}

struct Session {
    socket: SocketRef,
    connection: Connection,
    inbox: Inbox,
    heard: queue::Receiver<Event>,
}

impl Session {
    async fn exchange(&mut self, app: &App, bearer: Bearer) -> End {
        let session_over = lifetime::over(&app.store, bearer.session);
        tokio::pin!(session_over);
        loop {
            let step = tokio::select! {
                biased;
                () = app.closing.cancelled() => Err(End::Close(SignalErrorCode::ShuttingDown)),
                () = &mut session_over => Err(End::Close(SignalErrorCode::SessionEnded)),
                delivery = self.inbox.recv() => self.tell(delivery).await,
                event = self.heard.recv() => match event {
                    Some(event) => self.hear(event).await,
                    None => Err(End::Gone),
                },
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    async fn tell(&mut self, delivery: Delivery) -> Result<(), End> {
        if let Delivery::Closed(reason) = delivery {
            return Err(End::Close(reason));
        }
        match self.connection.deliver(delivery) {
            Some(message) => self.say(&message).await,
            None => Ok(()),
        }
    }

    async fn hear(&mut self, Event { value, acknowledge }: Event) -> Result<(), End> {
        let text = value.as_str().map_or("", |text| text.as_str());
        let heard = self.connection.hear(clock::instant(), |room| decode(text, room)).await;
        if let Heard::Answered(message) = &heard {
            self.say(message).await?;
        }
        if let Some(acknowledge) = acknowledge
            && let Some(outcome) = Outcome::of(&heard)
        {
            let send = async || acknowledge.send(&outcome);
            return sent(send().await);
        }
        Ok(())
    }

    async fn say(&self, message: &ServerMessage) -> Result<(), End> {
        let (event, data) = message.parts();
        match self.socket.emit(event, &data) {
            Err(SendError::Socket(SocketError::InternalChannelFull)) => {}
            outcome => return sent(outcome),
        }
        let room = async {
            loop {
                tokio::time::sleep(FULL_PAUSE).await;
                match self.socket.emit(event, &data) {
                    Err(SendError::Socket(SocketError::InternalChannelFull)) => {}
                    outcome => return sent(outcome),
                }
            }
        };
        tokio::time::timeout(WRITE_TIMEOUT, room).await.unwrap_or(Err(End::Stalled))
    }

    /// A client that the server disconnects stays away; one whose transport goes comes back by
    /// itself, which it should after a restart.
    async fn close(self, app: &App, reason: SignalErrorCode) {
        let told = self.say(&connection::refusal(reason)).await;
        if told.is_ok() && reason != SignalErrorCode::ShuttingDown {
            self.hang_up(app).await;
        }
    }

    /// Until then the client would be connected to nothing.
    async fn hang_up(self, app: &App) {
        let room = async {
            while self.socket.clone().disconnect().is_err() {
                tokio::time::sleep(GOODBYE_PAUSE).await;
            }
        };
        tokio::select! {
            () = room => {}
            () = app.closing.cancelled() => {}
        }
    }
}

fn sent(outcome: Result<(), SendError>) -> Result<(), End> {
    match outcome {
        Ok(()) => Ok(()),
        Err(SendError::Socket(SocketError::InternalChannelFull)) => Err(End::Stalled),
        Err(_) => Err(End::Gone),
    }
}

/// What an acknowledgement says.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome<'a> {
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<SignalErrorCode>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

impl<'a> Outcome<'a> {
    fn of(heard: &'a Heard) -> Option<Self> {
        match heard {
            Heard::Answered(ServerMessage::Error(error)) => {
                Some(Self { ok: false, code: Some(error.code), message: Some(&error.message) })
            }
            Heard::Taken | Heard::Answered(_) => Some(Self { ok: true, code: None, message: None }),
            Heard::Dropped => None,
        }
    }
}

/// Reads an event; data that names no room means the present one.
fn decode(text: &str, present: Option<RoomId>) -> Result<ClientMessage, DecodeError> {
    if text.len() > MAX_EVENT_BYTES {
        return Err(DecodeError::TooLarge("event"));
    }
    let Named { name, data } = serde_json::from_str(text)
        .map_err(|_| DecodeError::Malformed("not a name and its data".into()))?;
    let data = data.map_or("null", RawValue::get);
    ClientMessage::from_parts(&name, data, present.ok_or(DecodeError::NoRoom))
}

/// The arguments that count; what else a client sends along is nobody's business.
struct Named<'a> {
    name: Cow<'a, str>,
    data: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Named<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Arguments;
        impl<'de> Visitor<'de> for Arguments {
            type Value = Named<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name and its data")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut arguments: A,
            ) -> Result<Named<'de>, A::Error> {
                let missing = || serde::de::Error::invalid_length(0, &self);
                let name = arguments.next_element()?.ok_or_else(missing)?;
                let data = arguments.next_element()?;
                while arguments.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Named { name, data })
            }
        }
        deserializer.deserialize_seq(Arguments)
    }
}
