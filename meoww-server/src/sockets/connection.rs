//! What one connection knows: its present room and the way to its partner. What it may send is
//! checked here, on the way in and on the way out.

mod strangers;

use std::{sync::Arc, time::Instant};

use meoww_proto::{
    UserId,
    error::SignalErrorCode,
    signal::{
        Chat, ClientMessage, DecodeError, Matched, Relay, RelayPayload, ServerMessage, SignalError,
        Welcome,
    },
};

use crate::{
    core::{
        ice::Fragments,
        limits::{Allowance, EventBucket},
        lobby::{ConnId, Input, SearchCriteria},
        recent_partners::RecentPartners,
        safety::Speaker,
    },
    send_queue::{ConnectionEvent, CurrentRoom, NotQueued, relay_bytes},
    services::Services,
};

pub(crate) struct Connection {
    conn: ConnId,
    user: UserId,
    services: Arc<Services>,
    bucket: EventBucket,
    current_room: Option<CurrentRoom>,
    recent_partners: RecentPartners,
    fragments: Fragments,
}

/// What became of an event.
#[derive(Debug)]
pub(crate) enum EventOutcome {
    /// It is done or on its way.
    Done,
    /// Likewise, and the client is sent this.
    Answered(ServerMessage),
    /// It was refused. The client is sent the error unless `is_known`: it was sent one like it a moment
    /// ago, or is sent it by the hub.
    Refused { error: SignalError, is_known: bool },
}

impl EventOutcome {
    fn refused(code: SignalErrorCode) -> Self {
        Self::Refused { error: words(code), is_known: false }
    }
}

impl From<SignalError> for EventOutcome {
    fn from(error: SignalError) -> Self {
        Self::Refused { error, is_known: false }
    }
}

impl Connection {
    pub(crate) fn new(conn: ConnId, user: UserId, services: Arc<Services>, now: Instant) -> Self {
        let bucket = EventBucket::new(now);
        let (recent_partners, fragments) = (RecentPartners::default(), Fragments::default());
        Self { conn, user, services, bucket, current_room: None, recent_partners, fragments }
    }

    /// Handles an event of the client, which is decoded only if it is within the rate. `wants_answer`:
    /// its outcome is waited for where the hub decides.
    pub(crate) async fn handle_event(
        &mut self,
        now: Instant,
        wants_answer: bool,
        decode: impl FnOnce() -> Result<ClientMessage, DecodeError>,
    ) -> EventOutcome {
        let outcome = match over_rate(self.bucket.admit(now)) {
            Some(refused) => refused,
            None => match decode() {
                Ok(message) => self.act(message, wants_answer).await,
                Err(bad) => error(SignalErrorCode::from(&bad), &bad.to_string()).into(),
            },
        };
        if let EventOutcome::Refused { error, is_known: false } = &outcome {
            self.services.hub.metrics.refused(error.code);
        }
        outcome
    }

    async fn act(&mut self, message: ClientMessage, wants_answer: bool) -> EventOutcome {
        let input = match message {
            ClientMessage::Search(search) => {
                Input::Search(self.conn, SearchCriteria::from(&search))
            }
            ClientMessage::Cancel => Input::Cancel(self.conn),
            ClientMessage::Skip => {
                // From here on nothing of the old room passes, whenever the hub gets to it.
                self.current_room = None;
                Input::Skip(self.conn)
            }
            ClientMessage::Leave => {
                self.current_room = None;
                Input::Leave(self.conn)
            }
            // Boxed: every connection would keep room for what few ever do.
            ClientMessage::Block { room_id } => return Box::pin(self.block(room_id)).await,
            ClientMessage::Mismatch { room_id } => match self.recent_partners.of(room_id) {
                Some(met) => Input::Mismatch { user: self.user, other: met.stranger },
                None => return EventOutcome::refused(SignalErrorCode::WrongRoom),
            },
            ClientMessage::Report(report) => return Box::pin(self.report(report)).await,
            ClientMessage::Relay(relay) => return self.relay(relay),
        };
        let hub = &self.services.hub;
        if !wants_answer {
            hub.send_input(input).await;
            return EventOutcome::Done;
        }
        match hub.ask(self.conn, input).await {
            Ok(()) => EventOutcome::Done,
            Err(code) => EventOutcome::Refused { error: words(code), is_known: true },
        }
    }

    /// Passes on to the partner; a chat line that was passed on comes back as an echo.
    fn relay(&mut self, relay: Relay) -> EventOutcome {
        let Some(current_room) = &self.current_room else {
            return EventOutcome::refused(SignalErrorCode::NotInRoom);
        };
        if relay.room_id != current_room.room {
            return EventOutcome::refused(SignalErrorCode::WrongRoom);
        }
        let mut echo = None;
        match &relay.payload {
            RelayPayload::Chat(text) => {
                let (room_id, text) = (relay.room_id, text.clone());
                echo = Some(Chat { room_id, text, from_self: true });
            }
            RelayPayload::Offer(json) | RelayPayload::Answer(json) => {
                self.fragments.describe(json.get());
            }
            RelayPayload::Candidate(json) if !self.fragments.admits(json.get()) => {
                return EventOutcome::refused(SignalErrorCode::StaleCandidate);
            }
            RelayPayload::Candidate(_) => {}
        }
        let relayed = self.services.hub.metrics.relayed(&relay.payload);
        let allowance = self.bucket.admit_bytes(relay_bytes(&relay));
        if let Some(refused) = over_rate(allowance) {
            return refused;
        }
        let Some(partner) = &current_room.partner else {
            return EventOutcome::refused(SignalErrorCode::PartnerAway);
        };
        match partner.deliver(relay) {
            Ok(()) => relayed.inc(),
            // The hub has not heard of it yet.
            Err(NotQueued::Gone) => return EventOutcome::refused(SignalErrorCode::PartnerAway),
            Err(NotQueued::Full) => return EventOutcome::refused(SignalErrorCode::PartnerSlow),
        };
        let Some(chat) = echo else { return EventOutcome::Done };
        self.recent_partners.hear(Speaker::Reporter, &chat.text);
        EventOutcome::Answered(ServerMessage::Chat(chat))
    }

    /// Takes in news; gives what the client is told of it, if anything.
    pub(crate) fn deliver(&mut self, event: ConnectionEvent) -> Option<ServerMessage> {
        match event {
            ConnectionEvent::Welcome(current_room) => {
                self.current_room = current_room;
                if let Some(current_room) = &self.current_room {
                    self.recent_partners.begin(current_room.room, current_room.stranger);
                }
                let room_id = self.current_room.as_ref().map(|current_room| current_room.room);
                Some(ServerMessage::Welcome(Welcome { user_id: self.user, room_id }))
            }
            ConnectionEvent::Searching => Some(ServerMessage::Searching),
            ConnectionEvent::Matched { room, is_initiator, stranger, partner } => {
                self.current_room = Some(CurrentRoom { room, stranger, partner: Some(partner) });
                self.recent_partners.begin(room, stranger);
                self.fragments.enter_room();
                Some(ServerMessage::Matched(Matched { room_id: room, is_initiator }))
            }
            ConnectionEvent::PartnerMoved { room, partner } => {
                let current_room =
                    self.current_room.as_mut().filter(|current_room| current_room.room == room);
                if let Some(current_room) = current_room {
                    current_room.partner = Some(partner);
                }
                None
            }
            ConnectionEvent::RoomOver { room } => {
                // A client that left by itself knows; one that was matched meanwhile does not.
                let current_room =
                    self.current_room.take_if(|current_room| current_room.room == room);
                current_room.map(|_| ServerMessage::PeerDisconnected { room_id: room })
            }
            ConnectionEvent::Refused(code) | ConnectionEvent::Closed(code) => {
                self.services.hub.metrics.refused(code);
                Some(refusal(code))
            }
            ConnectionEvent::Presence(presence) => Some(ServerMessage::Presence(presence)),
            ConnectionEvent::Notice(text) => Some(ServerMessage::Notice { text: text.to_string() }),
            ConnectionEvent::Draining { seconds } => Some(ServerMessage::Draining { seconds }),
            ConnectionEvent::Relay(relay) => self.pass_in(relay),
        }
    }

    /// Nothing meant for the last partner reaches the next.
    fn pass_in(&mut self, relay: Relay) -> Option<ServerMessage> {
        self.current_room.as_ref().filter(|current_room| current_room.room == relay.room_id)?;
        Some(match relay.payload {
            RelayPayload::Chat(text) => {
                self.recent_partners.hear(Speaker::Reported, &text);
                ServerMessage::Chat(Chat { room_id: relay.room_id, text, from_self: false })
            }
            payload @ (RelayPayload::Offer(_)
            | RelayPayload::Answer(_)
            | RelayPayload::Candidate(_)) => ServerMessage::Signal(Relay { payload, ..relay }),
        })
    }
}

/// Returns the refusal of what is over the rate.
fn over_rate(allowance: Allowance) -> Option<EventOutcome> {
    let is_known = match allowance {
        Allowance::Pass => return None,
        Allowance::Drop => true,
        Allowance::DropAndTell => false,
    };
    Some(EventOutcome::Refused { error: words(SignalErrorCode::RateLimited), is_known })
}

/// An error with words of its own.
pub(crate) fn error(code: SignalErrorCode, message: &str) -> SignalError {
    SignalError { code, message: message.to_owned() }
}

/// An `error` event with the words that go with its code.
pub(crate) fn refusal(code: SignalErrorCode) -> ServerMessage {
    ServerMessage::Error(words(code))
}

/// An error with the words that go with its code.
fn words(code: SignalErrorCode) -> SignalError {
    error(
        code,
        match code {
            SignalErrorCode::BadEvent => "malformed event",
            SignalErrorCode::UnknownEvent => "unknown event",
            SignalErrorCode::TooLarge => "event is too large",
            SignalErrorCode::RateLimited => "too many events; some were dropped",
            SignalErrorCode::NotInRoom => "you are in no room",
            SignalErrorCode::WrongRoom => "that is not your room",
            SignalErrorCode::PartnerAway => "your partner's connection is lost at the moment",
            SignalErrorCode::PartnerSlow => "your partner's connection is too slow and is cut",
            SignalErrorCode::StaleCandidate => "that candidate is of no description of this room",
            SignalErrorCode::InCallElsewhere => "another connection of your account is in a call",
            SignalErrorCode::Draining => "the server is going down and matches nobody any more",
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
    use meoww_proto::RoomId;
    use tokio::sync::mpsc;
    use uuid::Uuid;

    use crate::{
        config::Config,
        mail::Mailer,
        send_queue::{Inbox, Partner, SendQueue},
    };

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

    fn matched(room: RoomId) -> ConnectionEvent {
        let (partner, _) = SendQueue::new();
        let stranger = UserId::from_bytes([2; 12]);
        ConnectionEvent::Matched {
            room,
            is_initiator: false,
            stranger,
            partner: Partner::Here(partner),
        }
    }

    fn line(room_id: RoomId) -> ConnectionEvent {
        ConnectionEvent::Relay(Relay { room_id, payload: RelayPayload::Chat("hello".into()) })
    }

    /// In a room with a partner who reads this, or not.
    fn meet(connection: &mut Connection) -> Inbox {
        let (partner, inbox) = SendQueue::new();
        let stranger = UserId::from_bytes([2; 12]);
        connection.deliver(ConnectionEvent::Matched {
            room: room(1),
            is_initiator: false,
            stranger,
            partner: Partner::Here(partner),
        });
        inbox
    }

    /// The code with which an offer is refused, if it is.
    async fn offer(connection: &mut Connection, now: Instant) -> Option<SignalErrorCode> {
        let json = format!("\"{}\"", "x".repeat(40_000));
        let offer = serde_json::value::RawValue::from_string(json).expect("JSON");
        let relay = Relay { room_id: room(1), payload: RelayPayload::Offer(offer) };
        let message = ClientMessage::Relay(relay);
        match connection.handle_event(now, true, || Ok(message)).await {
            EventOutcome::Done => None,
            EventOutcome::Refused { error, .. } => Some(error.code),
            EventOutcome::Answered(other) => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn what_does_not_reach_the_partner_is_refused_with_its_reason() {
        let mut connection = connection().await;
        let mut now = crate::clock::instant();
        assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::NotInRoom));
        let inbox = meet(&mut connection);
        let mut passed = 0;
        let refused = loop {
            // Within the rate.
            now += std::time::Duration::from_secs(1);
            match offer(&mut connection, now).await {
                None => passed += 1,
                Some(code) => break code,
            }
        };
        assert_eq!((refused, passed), (SignalErrorCode::PartnerSlow, 1024 * 1024 / 40_002));
        drop(inbox);
        assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::PartnerAway));
        let inbox = meet(&mut connection);
        let refused = loop {
            if let Some(code) = offer(&mut connection, now).await {
                break code;
            }
        };
        assert_eq!(refused, SignalErrorCode::RateLimited);
        assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::RateLimited), "again");
        drop(inbox);
        let stranger = UserId::from_bytes([2; 12]);
        let alone = CurrentRoom { room: room(1), stranger, partner: None };
        connection.deliver(ConnectionEvent::Welcome(Some(alone)));
        now += std::time::Duration::from_secs(1);
        assert_eq!(offer(&mut connection, now).await, Some(SignalErrorCode::PartnerAway));
    }

    #[tokio::test]
    async fn nothing_of_another_room_reaches_the_client() {
        let mut connection = connection().await;
        assert!(connection.deliver(line(room(1))).is_none(), "in no room");
        connection.deliver(matched(room(1)));
        assert!(connection.deliver(line(room(1))).is_some());
        connection.deliver(matched(room(2)));
        assert!(connection.deliver(line(room(1))).is_none(), "from the last partner");
        assert!(connection.deliver(ConnectionEvent::RoomOver { room: room(1) }).is_none());
        assert!(connection.deliver(line(room(2))).is_some());
    }

    #[tokio::test]
    async fn a_client_that_left_hears_no_more_of_its_room() {
        for leave in [ClientMessage::Leave, ClientMessage::Skip] {
            let mut connection = connection().await;
            connection.deliver(matched(room(1)));
            let now = crate::clock::instant();
            let outcome = connection.handle_event(now, false, || Ok(leave)).await;
            assert!(matches!(outcome, EventOutcome::Done));
            assert!(connection.deliver(line(room(1))).is_none());
            assert!(connection.deliver(ConnectionEvent::RoomOver { room: room(1) }).is_none());
            // Matched by the hub before it heard of the leave: the client is told how that ended.
            connection.deliver(matched(room(2)));
            assert!(connection.deliver(ConnectionEvent::RoomOver { room: room(2) }).is_some());
        }
    }
}
