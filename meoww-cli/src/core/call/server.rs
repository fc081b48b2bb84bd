//! What the server says, and the partner through it.

use meoww_proto::{
    error::SignalErrorCode,
    signal::{ClientMessage, Matched, ServerMessage},
};

use super::{Call, Effect, Media, Phase, Room};
use crate::{
    core::event::{CallEvent, EndReason},
    text::SafeText,
};

impl Call {
    pub(super) fn server(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Welcome(welcome) => self.link_up(welcome),
            ServerMessage::Searching => match self.phase {
                Phase::Searching => self.tell(CallEvent::Searching),
                Phase::Idle | Phase::InRoom(_) => {}
            },
            ServerMessage::Matched(matched) => self.matched(matched),
            ServerMessage::Signal(relay) if self.room() == Some(relay.room_id) => {
                self.effects.push(Effect::Apply(relay.payload));
            }
            ServerMessage::Chat(chat) if self.room() == Some(chat.room_id) => {
                if chat.from_self {
                    self.heard(&chat.text);
                }
                let text = SafeText::new(&chat.text);
                self.tell(CallEvent::Message { text, from_self: chat.from_self });
            }
            ServerMessage::PeerDisconnected { room_id } if self.room() == Some(room_id) => {
                self.end(EndReason::PeerLeft);
            }
            // Late words of a room that is over.
            ServerMessage::Signal(_)
            | ServerMessage::Chat(_)
            | ServerMessage::PeerDisconnected { .. } => {}
            ServerMessage::Blocked { room_id } => self.blocked(room_id),
            ServerMessage::Reported { room_id } => self.reported(room_id),
            ServerMessage::Presence(presence) => self.tell(CallEvent::Presence(presence)),
            ServerMessage::Notice { text } => {
                self.tell(CallEvent::Announcement(SafeText::new(&text)));
            }
            ServerMessage::Draining { seconds } => {
                self.draining = true;
                self.tell(CallEvent::Draining { seconds });
            }
            ServerMessage::Error(error) => self.refused(error.code, &error.message),
        }
    }

    fn matched(&mut self, matched: Matched) {
        let Matched { room_id, is_initiator } = matched;
        match self.phase {
            Phase::Searching => {
                let (media, known_to_server) = (Media::Negotiating, true);
                self.phase = Phase::InRoom(Room { id: room_id, media, known_to_server });
                self.tell(CallEvent::Matched { room_id, is_initiator });
                self.effects.push(Effect::OpenPeer(matched));
            }
            // The match crossed our cancel, or came for a call the server had forgotten.
            Phase::Idle | Phase::InRoom(_) => self.send_if_up(ClientMessage::Leave),
        }
    }

    fn search_ended(&mut self) {
        if self.phase == Phase::Searching {
            self.phase = Phase::Idle;
            self.tell(CallEvent::SearchEnded);
        }
    }

    fn refused(&mut self, code: SignalErrorCode, message: &str) {
        match code {
            // The partner left while our words were on their way: its goodbye says so. What is
            // asked about a room that is over is answered, though.
            SignalErrorCode::NotInRoom | SignalErrorCode::WrongRoom => {
                if !self.safety.refused() {
                    return;
                }
            }
            // Found for a call that is over; nothing is missing in this one.
            SignalErrorCode::StaleCandidate => return,
            SignalErrorCode::InCallElsewhere => self.search_ended(),
            SignalErrorCode::TakenOver => match self.phase {
                Phase::Idle | Phase::Searching => self.search_ended(),
                // To ask for the room again would take it from there, and so on for ever.
                Phase::InRoom(_) => self.end(EndReason::Left),
            },
            SignalErrorCode::BadEvent
            | SignalErrorCode::UnknownEvent
            | SignalErrorCode::TooLarge
            | SignalErrorCode::RateLimited
            | SignalErrorCode::PartnerAway
            | SignalErrorCode::PartnerSlow
            | SignalErrorCode::Draining
            | SignalErrorCode::ShuttingDown
            | SignalErrorCode::SessionEnded
            | SignalErrorCode::Banned
            | SignalErrorCode::Unknown => {}
        }
        self.tell(CallEvent::Refused { code, message: SafeText::new(message) });
    }
}
