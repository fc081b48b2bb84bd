//! The link to the server: what is said over it, and what waits until it is back.

use std::time::Duration;

use meoww_proto::{
    RoomId,
    signal::{ClientMessage, Relay, RelayPayload, Welcome},
};

use super::{Call, Effect, Link, Media, Phase, Room};
use crate::core::event::{CallEvent, EndReason};

/// Most messages of a room that wait for a lost link to come back.
const MAX_HELD: usize = 64;

impl Call {
    pub(super) fn link_up(&mut self, welcome: Welcome) {
        if self.link == Link::Down {
            self.tell(CallEvent::ServerBack);
        }
        self.link = Link::Up;
        (self.draining, self.terms_said) = (false, false);
        self.say_owed();
        match self.phase {
            Phase::Idle if welcome.room_id.is_some() => self.send_if_up(ClientMessage::Leave),
            Phase::Idle => {}
            Phase::Searching if welcome.room_id.is_some() => self.say_skip(),
            Phase::Searching => self.say_search(),
            Phase::InRoom(room) if welcome.room_id == Some(room.id) => {
                for message in std::mem::take(&mut self.held) {
                    self.say_in_room(message);
                }
            }
            Phase::InRoom(room) => self.forgotten(room),
        }
    }

    /// The server is back without our room: only a connection that already stands can go on.
    fn forgotten(&mut self, room: Room) {
        match room.media {
            Media::Negotiating => self.end(EndReason::ConnectFailed),
            // No path can be asked for any more.
            Media::Lost => self.end(EndReason::PeerLost),
            Media::Live => {
                let said = |message: &ClientMessage| said(message).is_some();
                let lost = std::mem::take(&mut self.held).iter().any(said);
                self.phase = Phase::InRoom(Room { known_to_server: false, ..room });
                self.notice("The server has forgotten this call: video goes on, chat does not.");
                if lost {
                    self.notice("What you last wrote did not get through.");
                }
            }
        }
    }

    pub(super) fn link_down(&mut self, retry_in: Duration) {
        self.link = match self.link {
            Link::NeverUp => Link::NeverUp,
            Link::Up | Link::Down => Link::Down,
        };
        self.hold_unheard();
        self.tell(CallEvent::ServerLost { retry_in });
    }

    /// A connection may be dead for long before that shows, and what was said into it is lost. So
    /// words that the server has not passed on are said again when it is back: twice, if only the
    /// answer was lost.
    fn hold_unheard(&mut self) {
        let unheard = std::mem::take(&mut self.unheard);
        let Some(room_id) = self.room() else { return };
        let again =
            |text| ClientMessage::Relay(Relay { room_id, payload: RelayPayload::Chat(text) });
        self.held.splice(..0, unheard.into_iter().map(again));
    }

    /// The server has passed these words on. It keeps their order: what was said before them and is
    /// still unheard was refused.
    pub(super) fn heard(&mut self, text: &str) {
        let found = self.unheard.iter().position(|unheard| unheard == text);
        self.unheard.drain(..found.map_or(0, |at| at + 1));
    }

    pub(super) fn send_in_room(&mut self, room_id: RoomId, payload: RelayPayload) {
        let message = ClientMessage::Relay(Relay { room_id, payload });
        if is_offer(&message) {
            // It is said again and again until it is answered.
            self.held.retain(|held| !is_offer(held));
        }
        match self.link {
            Link::Up => self.say_in_room(message),
            Link::NeverUp | Link::Down if self.held.len() < MAX_HELD => self.held.push(message),
            Link::NeverUp | Link::Down => {
                self.notice("Not sent: the server is out of reach for too long.");
            }
        }
    }

    fn say_in_room(&mut self, message: ClientMessage) {
        if let Some(text) = said(&message) {
            if self.unheard.len() == MAX_HELD {
                self.unheard.pop_front();
            }
            self.unheard.push_back(text.to_owned());
        }
        self.effects.push(Effect::Send(message));
    }

    pub(super) fn say_search(&mut self) {
        self.terms_said = self.link == Link::Up;
        self.send_if_up(ClientMessage::Search(self.terms.clone()));
    }

    pub(super) fn say_skip(&mut self) {
        if self.terms_said {
            self.send_if_up(ClientMessage::Skip);
        } else {
            self.send_if_up(ClientMessage::Leave);
            self.say_search();
        }
    }

    pub(super) fn leave_draining_server(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Searching if self.draining && self.link == Link::Up => {
                self.draining = false;
                self.effects.push(Effect::Reconnect);
            }
            Phase::Idle | Phase::Searching | Phase::InRoom(_) => {}
        }
    }

    /// For what need not be said later: [`Call::link_up`] says anew what still holds by then.
    pub(super) fn send_if_up(&mut self, message: ClientMessage) {
        match self.link {
            Link::Up => self.effects.push(Effect::Send(message)),
            Link::NeverUp | Link::Down => {}
        }
    }
}

fn is_offer(message: &ClientMessage) -> bool {
    matches!(message, ClientMessage::Relay(Relay { payload: RelayPayload::Offer(_), .. }))
}

/// The words, if the message is a line of chat.
fn said(message: &ClientMessage) -> Option<&str> {
    match message {
        ClientMessage::Relay(Relay { payload: RelayPayload::Chat(text), .. }) => Some(text),
        _ => None,
    }
}
