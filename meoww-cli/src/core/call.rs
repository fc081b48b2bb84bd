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

mod commands;
mod link;
mod peer;
mod safety;
mod server;

use std::{collections::VecDeque, time::Duration};

use meoww_proto::{
    RoomId,
    signal::{ClientMessage, Matched, RelayPayload, Search, ServerMessage},
};

use crate::core::event::{CallEvent, Command, EndReason, PeerEvent};

/// An event.
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

/// An action to take, in order.
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
    /// Ask the partner for a direct path, or agree to one.
    GoDirect,
    /// Mute the microphone or unmute it.
    Mute(bool),
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
    /// It was live, and does not come through at the moment.
    Lost,
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
    /// Own words in the present room that the server has not passed on yet, oldest first.
    unheard: VecDeque<String>,
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
            unheard: VecDeque::new(),
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

    /// Whether a connection that is dead for long costs the user a call or a place in the queue.
    pub fn is_at_stake(&self) -> bool {
        match self.phase {
            Phase::InRoom(_) | Phase::Searching => true,
            Phase::Idle => false,
        }
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

    fn end(&mut self, reason: EndReason) {
        self.safety.parted(self.room());
        self.phase = Phase::Idle;
        self.held.clear();
        self.unheard.clear();
        self.effects.push(Effect::ClosePeer);
        self.tell(CallEvent::Ended(reason));
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
