//! Blocking and reporting: about the present partner or, just after a call, the last one.

use meoww_proto::{
    RoomId,
    signal::{ClientMessage, Report},
};

use super::{Call, Effect, Link, Phase};
use crate::core::event::{CallEvent, Reason};

/// Most words that wait for a lost link.
const MAX_OWED: usize = 8;

/// What is remembered for it.
#[derive(Debug, Default)]
pub(super) struct Safety {
    /// The room before the present one.
    last: Option<RoomId>,
    /// To be said when the link is back: unlike what belongs to a room, it outlives it.
    owed: Vec<ClientMessage>,
    /// Requests the server has not answered yet.
    unanswered: usize,
}

impl Safety {
    /// A room is over.
    pub(super) fn parted(&mut self, room: Option<RoomId>) {
        self.last = room.or(self.last);
    }

    /// The room of what is owed.
    pub(super) fn owed_for(&self) -> Option<RoomId> {
        match self.owed.last()? {
            ClientMessage::Block { room_id } | ClientMessage::Report(Report { room_id, .. }) => {
                Some(*room_id)
            }
            _ => None,
        }
    }

    /// The server knows no such room; whether that answers something asked here.
    pub(super) fn refused(&mut self) -> bool {
        let asked = self.unanswered > 0;
        self.unanswered = self.unanswered.saturating_sub(1);
        asked
    }
}

impl Call {
    /// Also ends the call and searches on: nobody blocks whom they want to go on with.
    pub(super) fn block(&mut self) {
        let Some(room_id) = self.concerned() else { return };
        self.ask(ClientMessage::Block { room_id });
        if let Phase::InRoom(_) = self.phase {
            self.skip();
        }
    }

    pub(super) fn report(&mut self, reason: Reason) {
        let Some(room_id) = self.concerned() else { return };
        self.ask(ClientMessage::Report(Report { room_id, reason: reason.into() }));
    }

    pub(super) fn blocked(&mut self, room_id: RoomId) {
        self.safety.unanswered = self.safety.unanswered.saturating_sub(1);
        self.tell(CallEvent::Blocked { room_id });
    }

    pub(super) fn reported(&mut self, room_id: RoomId) {
        self.safety.unanswered = self.safety.unanswered.saturating_sub(1);
        self.tell(CallEvent::Reported { room_id });
    }

    /// The link is up.
    pub(super) fn say_owed(&mut self) {
        let owed = std::mem::take(&mut self.safety.owed);
        self.safety.unanswered = owed.len();
        self.effects.extend(owed.into_iter().map(Effect::Send));
    }

    fn concerned(&mut self) -> Option<RoomId> {
        match self.phase {
            Phase::InRoom(room) if !room.known_to_server => {
                self.notice("Not possible: the server has forgotten this call. Ctrl-N leaves it.");
                None
            }
            Phase::InRoom(room) => Some(room.id),
            Phase::Idle | Phase::Searching => {
                if self.safety.last.is_none() {
                    self.notice("You have met nobody yet.");
                }
                self.safety.last
            }
        }
    }

    fn ask(&mut self, message: ClientMessage) {
        match self.link {
            Link::Up => {
                self.safety.unanswered += 1;
                self.effects.push(Effect::Send(message));
            }
            Link::NeverUp | Link::Down if self.safety.owed.len() < MAX_OWED => {
                self.safety.owed.push(message);
                self.notice("The server is out of reach; it is told when it is back.");
            }
            Link::NeverUp | Link::Down => {
                self.notice("Not sent: the server is out of reach for too long.");
            }
        }
    }
}
