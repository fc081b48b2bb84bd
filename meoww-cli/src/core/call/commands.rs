//! What the user wants.

use meoww_proto::signal::{ClientMessage, RelayPayload};

use super::{Call, Effect, Media, Phase, Room};
use crate::core::event::{CallEvent, Command, EndReason};

impl Call {
    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Search => self.search(),
            Command::Skip => self.skip(),
            Command::Leave => self.leave(),
            Command::Chat(text) => self.chat(text),
            Command::Mute(muted) => {
                self.effects.push(Effect::Mute(muted));
                self.tell(CallEvent::Muted(muted));
            }
            Command::GoDirect => self.go_direct(),
            Command::Block => self.block(),
            Command::Report(reason) => self.report(reason),
            Command::Quit => {
                self.leave();
                self.effects.push(Effect::Quit);
            }
        }
    }

    fn search(&mut self) {
        match self.phase {
            Phase::Idle => {
                self.phase = Phase::Searching;
                self.say_search();
            }
            Phase::Searching | Phase::InRoom(_) => {}
        }
    }

    pub(super) fn skip(&mut self) {
        match self.phase {
            Phase::Idle => self.search(),
            Phase::Searching => {}
            Phase::InRoom(_) => {
                self.end(EndReason::Left);
                self.phase = Phase::Searching;
                self.say_skip();
            }
        }
    }

    fn leave(&mut self) {
        match self.phase {
            Phase::Idle => {}
            Phase::Searching => {
                self.phase = Phase::Idle;
                self.send_if_up(ClientMessage::Cancel);
            }
            Phase::InRoom(_) => {
                self.end(EndReason::Left);
                self.send_if_up(ClientMessage::Leave);
            }
        }
    }

    fn go_direct(&mut self) {
        match self.phase {
            Phase::InRoom(Room { media: Media::Live | Media::Lost, .. }) => {
                self.effects.push(Effect::GoDirect);
            }
            Phase::InRoom(_) | Phase::Idle | Phase::Searching => {
                self.notice("There is no call that could go direct.");
            }
        }
    }

    fn chat(&mut self, text: String) {
        match self.phase {
            Phase::InRoom(room) if room.known_to_server => {
                self.send_in_room(room.id, RelayPayload::Chat(text));
            }
            Phase::InRoom(_) => {
                self.notice("Not sent: the server has forgotten this call. Video goes on.")
            }
            Phase::Idle | Phase::Searching => self.notice("Not sent: there is nobody to read it."),
        }
    }
}
