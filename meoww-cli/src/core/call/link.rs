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
                let held = std::mem::take(&mut self.held);
                self.effects.extend(held.into_iter().map(Effect::Send));
            }
            Phase::InRoom(room) => self.forgotten(room),
        }
    }

    /// The server is back without our room: only a connection that already stands can go on.
    fn forgotten(&mut self, room: Room) {
        match room.media {
            Media::Negotiating => self.end(EndReason::ConnectFailed),
            Media::Live => {
                self.held.clear();
                self.phase = Phase::InRoom(Room { known_to_server: false, ..room });
                self.notice("The server has forgotten this call: video goes on, chat does not.");
            }
        }
    }

    pub(super) fn link_down(&mut self, retry_in: Duration) {
        self.link = match self.link {
            Link::NeverUp => Link::NeverUp,
            Link::Up | Link::Down => Link::Down,
        };
        self.tell(CallEvent::ServerLost { retry_in });
    }

    pub(super) fn send_in_room(&mut self, room_id: RoomId, payload: RelayPayload) {
        let message = ClientMessage::Relay(Relay { room_id, payload });
        match self.link {
            Link::Up => self.effects.push(Effect::Send(message)),
            Link::NeverUp | Link::Down if self.held.len() < MAX_HELD => self.held.push(message),
            Link::NeverUp | Link::Down => {
                self.notice("Not sent: the server is out of reach for too long.");
            }
        }
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
