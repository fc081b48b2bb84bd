//! The seat of a connection, and the state of its user.

use std::time::Instant;

use meoww_proto::{RoomId, UserId};

use crate::core::{
    lobby::{ConnId, Pace, SearchCriteria},
    safety::BlockList,
};

/// A connection of this node.
#[derive(Debug, Clone, Hash)]
pub(super) struct Local {
    pub(super) user: UserId,
    /// Counts the requests of its user.
    pub(super) attempt: u32,
    /// Criteria of the last search.
    pub(super) criteria: SearchCriteria,
    pub(super) seat: Seat,
}

#[derive(Debug, Clone, Copy, Hash)]
pub(super) enum Seat {
    Idle,
    /// It is not welcomed until the matcher knows whether the room is there.
    Resuming {
        room: RoomId,
        /// Criteria of a search that came meanwhile.
        criteria: Option<SearchCriteria>,
    },
    Waiting {
        asked: Instant,
    },
    Seated(Seated),
}

/// A seat in a room.
#[derive(Debug, Clone, Copy, Hash)]
pub(super) struct Seated {
    pub(super) room: RoomId,
    /// `None` while the partner is away.
    pub(super) partner: Option<ConnId>,
    pub(super) stranger: UserId,
    /// Until when the partner's seat is kept, if the partner is away.
    pub(super) partner_until: Option<Instant>,
    /// Whether no message reaches the partner's node, as the user was told.
    pub(super) is_cut: bool,
    /// When the two were matched.
    pub(super) since: Instant,
    /// When the user asked for a partner.
    pub(super) asked: Instant,
    /// Whether the room has begun; until then the user is not told of it.
    pub(super) is_open: bool,
    pub(super) is_initiator: bool,
}

/// A seat kept for a user who has lost the connection.
#[derive(Debug, Clone, Hash)]
pub(super) struct Away {
    pub(super) stranger: UserId,
    pub(super) until: Instant,
}

/// A user with connections to this node.
#[derive(Debug, Clone, Default, Hash)]
pub(super) struct LocalUser {
    /// Oldest first.
    pub(super) connections: Vec<ConnId>,
    pub(super) blocks: BlockList,
    /// Whether this node has told the matcher of them since the user is here. What the matcher told it,
    /// the matcher may forget with an older connection.
    pub(super) are_blocks_told: bool,
    /// Users not to be met before a moment.
    pub(super) apart: Vec<(UserId, Instant)>,
    pub(super) pace: Pace,
    pub(super) last_partner: Option<UserId>,
}

impl Local {
    pub(super) fn new(user: UserId, seat: Seat) -> Self {
        Self { user, attempt: 0, criteria: SearchCriteria::default(), seat }
    }

    /// Takes it back to the queue from a room with this user that has not begun, if it is in one. As
    /// the matcher may have opened the room by now, it is a new attempt.
    pub(super) fn unhold(&mut self, stranger: UserId) -> bool {
        match self.seat {
            Seat::Seated(Seated { stranger: partner, is_open: false, asked, .. })
                if partner == stranger =>
            {
                self.seat = Seat::Waiting { asked };
                self.attempt += 1;
                true
            }
            Seat::Seated(_) | Seat::Idle | Seat::Resuming { .. } | Seat::Waiting { .. } => false,
        }
    }

    /// The seat in this room, whether it has begun or not.
    pub(super) fn seat_in(&mut self, room: RoomId) -> Option<&mut Seated> {
        match &mut self.seat {
            Seat::Seated(seated) if seated.room == room => Some(seated),
            Seat::Seated(_) | Seat::Idle | Seat::Resuming { .. } | Seat::Waiting { .. } => None,
        }
    }
}

impl Seat {
    /// The seat in a room that has begun.
    pub(super) fn open(&self) -> Option<&Seated> {
        match self {
            Self::Seated(seated) => Some(seated).filter(|seated| seated.is_open),
            Self::Idle | Self::Resuming { .. } | Self::Waiting { .. } => None,
        }
    }
}
