//! The words of the lobby: what happens to it, and what it wants done.

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};

use super::SearchCriteria;

/// One connection of a user, by a number that is never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Departure {
    /// It said goodbye: the user meant it.
    Clean,
    /// It broke: the user may come back.
    Lost,
}

/// What happens to the lobby.
#[derive(Debug, Clone, Copy)]
pub enum Input {
    /// A user opened a connection, perhaps to go on with the room of an earlier one.
    Connect {
        /// Fresh.
        conn: ConnId,
        /// Whose.
        user: UserId,
        /// The room the client asks for.
        resume: Option<RoomId>,
    },
    /// Queue me. A room whose connection was lost is over then: its user has started afresh. Who
    /// waits already, or did when the connection was lost, goes on waiting, on other terms as if from
    /// now on.
    Search(ConnId, SearchCriteria),
    /// Take me out of the queue.
    Cancel(ConnId),
    /// End my room, if any, and queue me on the terms of my last search.
    Skip(ConnId),
    /// End my room or take me out of the queue.
    Leave(ConnId),
    /// A connected user is never to meet another again; known from the store after
    /// [`Input::Connect`], or decided just now. A room of the two is over.
    Block {
        /// Who decided so.
        user: UserId,
        /// Of whom.
        blocked: UserId,
    },
    /// The user has taken that back.
    Unblock {
        /// Who decided so.
        user: UserId,
        /// Of whom.
        blocked: UserId,
    },
    /// No picture can pass between two users, as one of them found: they do not meet again for
    /// [`MISMATCH_WAIT`](super::MISMATCH_WAIT). A room of the two goes on.
    Mismatch {
        /// Who found so.
        user: UserId,
        /// Whom they met.
        other: UserId,
    },
    /// A connection ended.
    Disconnect(ConnId, Departure),
    /// From now on nobody is matched or queued; who waits stays, and rooms go on.
    Drain,
    /// [`Lobby::poll_timeout`](super::Lobby::poll_timeout) has come.
    Timeout,
}

/// What is to be done, in this order. Every `conn` is connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// First to every connection, with the room it takes up, if any.
    Welcome {
        /// The new connection.
        conn: ConnId,
        /// Whose.
        user: UserId,
        /// Its place in a room.
        resumed: Option<ResumedRoom>,
    },
    /// It is in the queue.
    Searching(ConnId),
    /// It is in a room.
    Matched {
        /// One of the two.
        conn: ConnId,
        /// Fresh.
        room: RoomId,
        /// True for exactly one of the two, and that one is told last.
        is_initiator: bool,
        /// The other of the two.
        partner: ConnId,
        /// Whose that is.
        stranger: UserId,
        /// Since the search.
        waited: Duration,
    },
    /// The partner went on in another connection.
    PartnerMoved {
        /// Who stayed.
        conn: ConnId,
        /// Their room.
        room: RoomId,
        /// Where the partner is now.
        partner: ConnId,
    },
    /// The room is over, whoever ended it.
    RoomOver {
        /// A former member.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// Something was not done, or is no longer.
    Refused(ConnId, SignalErrorCode),
    /// It was not queued: see [`Input::Drain`].
    Draining(ConnId),
    /// Another connection took its place: it is to be closed and is already forgotten here.
    Displaced(ConnId),
}

impl Effect {
    /// Returns why what this connection asked for was not done, if that is what the effect says.
    pub fn refusal_of(&self, asker: ConnId) -> Option<SignalErrorCode> {
        match *self {
            Self::Refused(conn, code) if conn == asker => Some(code),
            Self::Draining(conn) if conn == asker => Some(SignalErrorCode::Draining),
            Self::Refused(..)
            | Self::Draining(_)
            | Self::Welcome { .. }
            | Self::Searching(_)
            | Self::Matched { .. }
            | Self::PartnerMoved { .. }
            | Self::RoomOver { .. }
            | Self::Displaced(_) => None,
        }
    }
}

/// A room taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ResumedRoom {
    /// The room.
    pub room: RoomId,
    /// The other member.
    pub stranger: UserId,
    /// Where that one is, unless away for a moment.
    pub partner: Option<ConnId>,
}

/// How many there are, at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Open connections.
    pub connections: usize,
    /// Users with at least one of them.
    pub users: usize,
    /// Users in the queue.
    pub searching: usize,
    /// Rooms of two.
    pub rooms: usize,
    /// Rooms there ever were.
    pub matches: u64,
    /// Whether no new ones are made.
    pub draining: bool,
}

/// One room of two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomInfo {
    /// Its id.
    pub room: RoomId,
    /// Who is in it.
    pub members: [UserId; 2],
    /// When they were matched.
    pub since: Instant,
}
