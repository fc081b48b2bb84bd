//! The call: a state machine from the first search to the last goodbye.
//!
//! ```text
//!          search            matched           connected
//!   Idle ─────────▶ Searching ─────▶ Negotiating ─────▶ Live
//!    ▲  ◀─ cancel ──┘   ▲                │               │
//!    │                  └──── skip ──────┴───────┬───────┘
//!    └──────────── leave, bye, failed ───────────┘
//! ```
//!
//! The link to the server comes and goes beside it. A live call needs no server: it outlives both a
//! lost link and a server that came back without the room. A server that is about to go is left as
//! soon as no call needs it.

mod safety;

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    signal::{ClientMessage, Matched, Relay, RelayPayload, Search, ServerMessage, Welcome},
};

use crate::{
    core::event::{CallEvent, Command, EndReason, PeerEvent},
    text::SafeText,
};
use std::time::Duration;

/// Most messages of a room that wait for a lost link to come back.
const MAX_HELD: usize = 64;

/// What happened.
#[derive(Debug)]
pub enum Input {
    /// The user wants something.
    Command(Command),
    /// The server said something; its welcome means that the link is up.
    Server(ServerMessage),
    /// The link is gone; the next attempt comes after this long.
    LinkDown(Duration),
    /// The media connection of a room reports.
    Peer(RoomId, PeerEvent),
}

/// What is to be done, in order.
#[derive(Debug)]
pub enum Effect {
    /// Say this to the server; the link is up.
    Send(ClientMessage),
    /// Leave this server, which is about to go, for the one that follows.
    Reconnect,
    /// Open the media connection of a room. There is no other.
    OpenPeer(Matched),
    /// Hand the partner's offer, answer or candidate to the media connection.
    Apply(RelayPayload),
    /// Say goodbye on the media connection and close it.
    ClosePeer,
    /// Tell the user.
    Tell(CallEvent),
    /// End the program.
    Quit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Idle,
    Searching,
    InRoom(Room),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Room {
    id: RoomId,
    media: Media,
    /// The server may have forgotten the room (it was restarted); the partner is still there.
    known_to_server: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Media {
    Negotiating,
    Live,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Link {
    NeverUp,
    Up,
    Down,
}

/// The machine. Feed it every [`Input`]; carry out every [`Effect`].
#[derive(Debug)]
pub struct Call {
    terms: Search,
    /// Whether this connection has heard the terms, which a `skip` goes by.
    terms_said: bool,
    phase: Phase,
    link: Link,
    /// What belongs to the room and waits for the link.
    held: Vec<ClientMessage>,
    safety: safety::Safety,
    /// Whether the server is about to go.
    draining: bool,
    effects: Vec<Effect>,
}

impl Default for Call {
    fn default() -> Self {
        Self::new(Search::default())
    }
}

impl Call {
    /// Searches will be on these terms.
    pub fn new(terms: Search) -> Self {
        Self {
            terms,
            terms_said: false,
            phase: Phase::Idle,
            link: Link::NeverUp,
            held: Vec::new(),
            safety: safety::Safety::default(),
            draining: false,
            effects: Vec::new(),
        }
    }

    /// The room to ask the server for when the link comes back: the present one, or the one a block
    /// or report is owed for, as a server takes those from whoever is or just was there.
    pub fn resume(&self) -> Option<RoomId> {
        self.room().or_else(|| self.safety.owed_for())
    }

    /// The present room.
    pub fn room(&self) -> Option<RoomId> {
        match self.phase {
            Phase::InRoom(room) => Some(room.id),
            Phase::Idle | Phase::Searching => None,
        }
    }

    /// Takes one input to its effects.
    pub fn handle(&mut self, input: Input) -> Vec<Effect> {
        match input {
            Input::Command(command) => self.command(command),
            Input::LinkDown(retry_in) => self.link_down(retry_in),
            Input::Server(message) => self.server(message),
            Input::Peer(room_id, event) => self.peer(room_id, event),
        }
        self.leave_draining_server();
        std::mem::take(&mut self.effects)
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Search => self.search(),
            Command::Skip => self.skip(),
            Command::Leave => self.leave(),
            Command::Chat(text) => self.chat(text),
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

    fn skip(&mut self) {
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

    fn link_up(&mut self, welcome: Welcome) {
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

    fn link_down(&mut self, retry_in: Duration) {
        self.link = match self.link {
            Link::NeverUp => Link::NeverUp,
            Link::Up | Link::Down => Link::Down,
        };
        self.tell(CallEvent::ServerLost { retry_in });
    }

    fn server(&mut self, message: ServerMessage) {
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

    fn refused(&mut self, code: SignalErrorCode, message: &str) {
        match code {
            // The partner left while our words were on their way: its goodbye says so. What is
            // asked about a room that is over is answered, though.
            SignalErrorCode::NotInRoom | SignalErrorCode::WrongRoom => {
                if !self.safety.refused() {
                    return;
                }
            }
            SignalErrorCode::InCallElsewhere => {
                if self.phase == Phase::Searching {
                    self.phase = Phase::Idle;
                }
            }
            SignalErrorCode::TakenOver => match self.phase {
                Phase::Idle => {}
                Phase::Searching => self.phase = Phase::Idle,
                // To ask for the room again would take it from there, and so on for ever.
                Phase::InRoom(_) => self.end(EndReason::Left),
            },
            SignalErrorCode::BadEvent
            | SignalErrorCode::UnknownEvent
            | SignalErrorCode::TooLarge
            | SignalErrorCode::RateLimited
            | SignalErrorCode::ShuttingDown
            | SignalErrorCode::SessionEnded
            | SignalErrorCode::Banned
            | SignalErrorCode::Unknown => {}
        }
        self.tell(CallEvent::Refused { code, message: SafeText::new(message) });
    }

    fn peer(&mut self, room_id: RoomId, event: PeerEvent) {
        let Phase::InRoom(room) = self.phase else { return };
        if room.id != room_id {
            return;
        }
        match event {
            PeerEvent::LocalOffer(offer) => self.send_in_room(room_id, RelayPayload::Offer(offer)),
            PeerEvent::LocalAnswer(sdp) => self.send_in_room(room_id, RelayPayload::Answer(sdp)),
            PeerEvent::LocalCandidate(candidate) => {
                self.send_in_room(room_id, RelayPayload::Candidate(candidate));
            }
            PeerEvent::Connected { relayed } => {
                self.phase = Phase::InRoom(Room { media: Media::Live, ..room });
                self.tell(CallEvent::Connected { relayed });
            }
            PeerEvent::FirstFrame => self.tell(CallEvent::FirstFrame),
            PeerEvent::Bye => self.end_and_leave(EndReason::PeerLeft),
            PeerEvent::Failed(why) => {
                self.notice(&why);
                self.end_and_leave(match room.media {
                    Media::Negotiating => EndReason::ConnectFailed,
                    Media::Live => EndReason::PeerLost,
                });
            }
        }
    }

    /// The server may not know yet that the room is over.
    fn end_and_leave(&mut self, reason: EndReason) {
        self.end(reason);
        self.send_if_up(ClientMessage::Leave);
    }

    fn end(&mut self, reason: EndReason) {
        self.safety.parted(self.room());
        self.phase = Phase::Idle;
        self.held.clear();
        self.effects.push(Effect::ClosePeer);
        self.tell(CallEvent::Ended(reason));
    }

    fn send_in_room(&mut self, room_id: RoomId, payload: RelayPayload) {
        let message = ClientMessage::Relay(Relay { room_id, payload });
        match self.link {
            Link::Up => self.effects.push(Effect::Send(message)),
            Link::NeverUp | Link::Down if self.held.len() < MAX_HELD => self.held.push(message),
            Link::NeverUp | Link::Down => {
                self.notice("Not sent: the server is out of reach for too long.");
            }
        }
    }

    fn say_search(&mut self) {
        self.terms_said = self.link == Link::Up;
        self.send_if_up(ClientMessage::Search(self.terms.clone()));
    }

    fn say_skip(&mut self) {
        if self.terms_said {
            self.send_if_up(ClientMessage::Skip);
        } else {
            self.send_if_up(ClientMessage::Leave);
            self.say_search();
        }
    }

    fn leave_draining_server(&mut self) {
        match self.phase {
            Phase::Idle | Phase::Searching if self.draining && self.link == Link::Up => {
                self.draining = false;
                self.effects.push(Effect::Reconnect);
            }
            Phase::Idle | Phase::Searching | Phase::InRoom(_) => {}
        }
    }

    /// For what need not be said later: [`Call::link_up`] says anew what still holds by then.
    fn send_if_up(&mut self, message: ClientMessage) {
        match self.link {
            Link::Up => self.effects.push(Effect::Send(message)),
            Link::NeverUp | Link::Down => {}
        }
    }

    fn tell(&mut self, event: CallEvent) {
        self.effects.push(Effect::Tell(event));
    }

    fn notice(&mut self, text: &str) {
        self.tell(CallEvent::Notice(text.to_owned()));
    }
}

#[cfg(test)]
mod tests;
