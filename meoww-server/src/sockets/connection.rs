//! What one connection knows: its present room and the way to its partner. What it may send is
//! checked here, on the way in and on the way out.

mod outcome;
mod relay;
mod strangers;

use std::{sync::Arc, time::Instant};

use meoww_proto::{
    RoomId, UserId,
    error::SignalErrorCode,
    signal::{ClientMessage, DecodeError, Matched, ServerMessage, Welcome},
};

pub(crate) use self::outcome::{EventOutcome, error, refusal};
use self::outcome::{over_rate, words};
use crate::{
    core::{
        ice::Fragments,
        limits::EventBucket,
        lobby::{ConnId, Input, SearchCriteria},
        recent_partners::RecentPartners,
    },
    send_queue::{ConnectionEvent, CurrentRoom, Partner},
    services::Services,
};

pub(crate) struct Connection {
    conn: ConnId,
    user: UserId,
    services: Arc<Services>,
    bucket: EventBucket,
    is_welcome: bool,
    current_room: Option<CurrentRoom>,
    recent_partners: RecentPartners,
    fragments: Fragments,
}

impl Connection {
    pub(crate) fn new(conn: ConnId, user: UserId, services: Arc<Services>, now: Instant) -> Self {
        let bucket = EventBucket::new(now);
        let (recent_partners, fragments) = (RecentPartners::default(), Fragments::default());
        Self {
            conn,
            user,
            services,
            bucket,
            is_welcome: false,
            current_room: None,
            recent_partners,
            fragments,
        }
    }

    /// Returns whether it is known by now in which room the client is, if any. Before that, what it
    /// asks for may be about a room that it takes up again.
    pub(crate) fn is_welcome(&self) -> bool {
        self.is_welcome
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

    /// Takes in news; gives what the client is told of it, if anything.
    pub(crate) fn deliver(&mut self, event: ConnectionEvent) -> Option<ServerMessage> {
        match event {
            ConnectionEvent::Welcome(current_room) => {
                self.is_welcome = true;
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
                self.set_partner(room, Some(partner));
                None
            }
            ConnectionEvent::PartnerAway { room } => {
                self.set_partner(room, None);
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

    /// Sets the way to the partner, unless the room is over.
    fn set_partner(&mut self, room: RoomId, partner: Option<Partner>) {
        if let Some(current_room) = self.current_room.as_mut().filter(|it| it.room == room) {
            current_room.partner = partner;
        }
    }
}

#[cfg(test)]
mod tests;
