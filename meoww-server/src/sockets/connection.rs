//! What one connection knows: its present room and the way to its partner. What it may send is
//! checked here, on the way in and on the way out.

mod strangers;

use std::{sync::Arc, time::Instant};

use meoww_proto::{
    RoomId, UserId,
    error::SignalErrorCode,
    signal::{
        Chat, ClientMessage, DecodeError, Matched, Relay, RelayPayload, ServerMessage, SignalError,
        Welcome,
    },
};

use crate::{
    core::{
        encounters::Encounters,
        limits::{Allowance, EventBucket},
        lobby::{ConnId, Input, Terms},
        safety::Speaker,
    },
    outbox::{Delivery, Present},
    services::Services,
};

pub(crate) struct Connection {
    conn: ConnId,
    user: UserId,
    services: Arc<Services>,
    bucket: EventBucket,
    present: Option<Present>,
    encounters: Encounters,
}

/// What became of an event.
#[derive(Debug)]
pub(crate) enum Heard {
    /// It is done or on its way.
    Taken,
    /// This is said to it: an echo or a refusal.
    Answered(ServerMessage),
    /// It was over the rate, and its sender was told so a moment ago.
    Dropped,
}

impl Connection {
    pub(crate) fn new(conn: ConnId, user: UserId, services: Arc<Services>, now: Instant) -> Self {
        let bucket = EventBucket::new(now);
        Self { conn, user, services, bucket, present: None, encounters: Encounters::default() }
    }

    /// Takes in an event of the client. `decode` is called if the event is within the rate, with the
    /// present room, which an adapter may let an event mean that names none.
    pub(crate) async fn hear(
        &mut self,
        now: Instant,
        decode: impl FnOnce(Option<RoomId>) -> Result<ClientMessage, DecodeError>,
    ) -> Heard {
        let heard = self.take_in(now, decode).await;
        if let Heard::Answered(ServerMessage::Error(error)) = &heard {
            self.services.hub.metrics.refused(error.code);
        }
        heard
    }

    async fn take_in(
        &mut self,
        now: Instant,
        decode: impl FnOnce(Option<RoomId>) -> Result<ClientMessage, DecodeError>,
    ) -> Heard {
        match self.bucket.admit(now) {
            Allowance::Pass => {}
            Allowance::Drop => return Heard::Dropped,
            Allowance::DropAndTell => {
                return Heard::Answered(refusal(SignalErrorCode::RateLimited));
            }
        }
        let present = self.present.as_ref().map(|present| present.room);
        let answer = match decode(present) {
            Ok(message) => self.act(message).await,
            Err(bad) => Some(error(SignalErrorCode::from(&bad), &bad.to_string())),
        };
        answer.map_or(Heard::Taken, Heard::Answered)
    }

    async fn act(&mut self, message: ClientMessage) -> Option<ServerMessage> {
        let input = match message {
            ClientMessage::Search(search) => Input::Search(self.conn, Terms::from(&search)),
            ClientMessage::Cancel => Input::Cancel(self.conn),
            ClientMessage::Skip => {
                // From here on nothing of the old room passes, whenever the hub gets to it.
                self.present = None;
                Input::Skip(self.conn)
            }
            ClientMessage::Leave => {
                self.present = None;
                Input::Leave(self.conn)
            }
            // Boxed: every connection would keep room for what few ever do.
            ClientMessage::Block { room_id } => return Some(Box::pin(self.block(room_id)).await),
            ClientMessage::Report(report) => return Some(Box::pin(self.report(report)).await),
            ClientMessage::Relay(relay) => return self.relay(relay),
        };
        self.services.hub.report(input).await;
        None
    }

    /// Passes on to the partner; a chat line that was passed on comes back as an echo.
    fn relay(&mut self, relay: Relay) -> Option<ServerMessage> {
        let Some(present) = &self.present else {
            return Some(refusal(SignalErrorCode::NotInRoom));
        };
        if relay.room_id != present.room {
            return Some(refusal(SignalErrorCode::WrongRoom));
        }
        let echo = match &relay.payload {
            RelayPayload::Chat(text) => {
                let (room_id, text) = (relay.room_id, text.clone());
                Some(ServerMessage::Chat(Chat { room_id, text, from_self: true }))
            }
            RelayPayload::Offer(_) | RelayPayload::Answer(_) | RelayPayload::Candidate(_) => None,
        };
        let relayed = self.services.hub.metrics.relayed(&relay.payload);
        let delivery = Delivery::Relay(relay);
        match self.bucket.admit_bytes(delivery.bytes()) {
            Allowance::Pass => {}
            Allowance::Drop => return None,
            Allowance::DropAndTell => return Some(refusal(SignalErrorCode::RateLimited)),
        }
        if !present.partner.as_ref()?.deliver(delivery) {
            return None;
        }
        relayed.inc();
        if let Some(ServerMessage::Chat(chat)) = &echo {
            self.encounters.hear(Speaker::Reporter, &chat.text);
        }
        echo
    }

    /// Takes in news; gives what the client is told of it, if anything.
    pub(crate) fn deliver(&mut self, delivery: Delivery) -> Option<ServerMessage> {
        match delivery {
            Delivery::Welcome(present) => {
                self.present = present;
                if let Some(present) = &self.present {
                    self.encounters.begin(present.room, present.stranger);
                }
                let room_id = self.present.as_ref().map(|present| present.room);
                Some(ServerMessage::Welcome(Welcome { user_id: self.user, room_id }))
            }
            Delivery::Searching => Some(ServerMessage::Searching),
            Delivery::Matched { room, is_initiator, stranger, partner } => {
                self.present = Some(Present { room, stranger, partner: Some(partner) });
                self.encounters.begin(room, stranger);
                Some(ServerMessage::Matched(Matched { room_id: room, is_initiator }))
            }
            Delivery::PartnerMoved { room, partner } => {
                let present = self.present.as_mut().filter(|present| present.room == room);
                if let Some(present) = present {
                    present.partner = Some(partner);
                }
                None
            }
            Delivery::RoomOver { room } => {
                // A client that left by itself knows; one that was matched meanwhile does not.
                let present = self.present.take_if(|present| present.room == room);
                present.map(|_| ServerMessage::PeerDisconnected { room_id: room })
            }
            Delivery::Refused(code) | Delivery::Closed(code) => {
                self.services.hub.metrics.refused(code);
                Some(refusal(code))
            }
            Delivery::Presence(presence) => Some(ServerMessage::Presence(presence)),
            Delivery::Notice(text) => Some(ServerMessage::Notice { text: text.to_string() }),
            Delivery::Draining { seconds } => Some(ServerMessage::Draining { seconds }),
            Delivery::Relay(relay) => self.pass_in(relay),
        }
    }

    /// Nothing meant for the last partner reaches the next.
    fn pass_in(&mut self, relay: Relay) -> Option<ServerMessage> {
        self.present.as_ref().filter(|present| present.room == relay.room_id)?;
        Some(match relay.payload {
            RelayPayload::Chat(text) => {
                self.encounters.hear(Speaker::Reported, &text);
                ServerMessage::Chat(Chat { room_id: relay.room_id, text, from_self: false })
            }
            payload @ (RelayPayload::Offer(_)
            | RelayPayload::Answer(_)
            | RelayPayload::Candidate(_)) => ServerMessage::Signal(Relay { payload, ..relay }),
        })
    }
}

/// An `error` event with words of its own.
pub(crate) fn error(code: SignalErrorCode, message: &str) -> ServerMessage {
    ServerMessage::Error(SignalError { code, message: message.to_owned() })
}

/// An `error` event with the words that go with its code.
pub(crate) fn refusal(code: SignalErrorCode) -> ServerMessage {
    error(
        code,
        match code {
            SignalErrorCode::BadEvent => "malformed event",
            SignalErrorCode::UnknownEvent => "unknown event",
            SignalErrorCode::TooLarge => "event is too large",
            SignalErrorCode::RateLimited => "too many events; some were dropped",
            SignalErrorCode::NotInRoom => "you are in no room",
            SignalErrorCode::WrongRoom => "that is not your room",
            SignalErrorCode::InCallElsewhere => "another connection of your account is in a call",
            SignalErrorCode::TakenOver => "another connection of your account took over",
            SignalErrorCode::ShuttingDown => "the server is going down; reconnect in a moment",
            SignalErrorCode::SessionEnded => "your session has ended; log in again",
            SignalErrorCode::Banned => "your account is banned",
            SignalErrorCode::Unknown => "refused",
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use crate::{config::Config, mail::Mailer, outbox::Outbox};

    async fn connection() -> Connection {
        let directory = tempfile::tempdir().expect("a directory");
        let mailer = Mailer::Memory(mpsc::channel(1).0);
        let services = Services::with_mailer(Config::new(directory.path().to_owned()), mailer);
        let user = UserId::from_bytes([1; 12]);
        let services = services.await.expect("opened");
        Connection::new(ConnId(1), user, services, crate::clock::instant())
    }

    fn room(n: u128) -> RoomId {
        RoomId::from_uuid(Uuid::from_u128(n))
    }

    fn matched(room: RoomId) -> Delivery {
        let (partner, _) = Outbox::new();
        let stranger = UserId::from_bytes([2; 12]);
        Delivery::Matched { room, is_initiator: false, stranger, partner }
    }

    fn line(room_id: RoomId) -> Delivery {
        Delivery::Relay(Relay { room_id, payload: RelayPayload::Chat("hello".into()) })
    }

    #[tokio::test]
    async fn nothing_of_another_room_reaches_the_client() {
        let mut connection = connection().await;
        assert!(connection.deliver(line(room(1))).is_none(), "in no room");
        connection.deliver(matched(room(1)));
        assert!(connection.deliver(line(room(1))).is_some());
        connection.deliver(matched(room(2)));
        assert!(connection.deliver(line(room(1))).is_none(), "from the last partner");
        assert!(connection.deliver(Delivery::RoomOver { room: room(1) }).is_none());
        assert!(connection.deliver(line(room(2))).is_some());
    }

    #[tokio::test]
    async fn a_client_that_left_hears_no_more_of_its_room() {
        for leave in [ClientMessage::Leave, ClientMessage::Skip] {
            let mut connection = connection().await;
            connection.deliver(matched(room(1)));
            let now = crate::clock::instant();
            assert!(matches!(connection.hear(now, |_| Ok(leave)).await, Heard::Taken));
            assert!(connection.deliver(line(room(1))).is_none());
            assert!(connection.deliver(Delivery::RoomOver { room: room(1) }).is_none());
            // Matched by the hub before it heard of the leave: the client is told how that ended.
            connection.deliver(matched(room(2)));
            assert!(connection.deliver(Delivery::RoomOver { room: room(2) }).is_some());
        }
    }
}
