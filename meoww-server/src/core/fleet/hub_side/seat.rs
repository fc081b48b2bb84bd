//! Where a connection is.

use std::{collections::BTreeSet, time::Instant};

use meoww_proto::{RoomId, UserId};

use crate::core::lobby::{ConnId, Pace, SearchCriteria};

/// A connection of this node.
#[derive(Debug)]
pub(super) struct Local {
    pub(super) user: UserId,
    /// Counts what its user asked for.
    pub(super) attempt: u32,
    /// Of the last search.
    pub(super) criteria: SearchCriteria,
    pub(super) seat: Seat,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Seat {
    Idle,
    /// It is not welcomed until the matcher knows whether the room is there.
    Resuming {
        room: RoomId,
        /// Of a search that came meanwhile.
        criteria: Option<SearchCriteria>,
    },
    Waiting {
        asked: Instant,
    },
    Seated(Seated),
}

/// A seat in a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seated {
    pub(super) room: RoomId,
    /// `None` while the partner is away.
    pub(super) partner: Option<ConnId>,
    pub(super) stranger: UserId,
    /// When the two were matched.
    pub(super) since: Instant,
    /// When the user asked for a partner.
    pub(super) asked: Instant,
    /// Whether it has begun; until then the user knows nothing of it.
    pub(super) is_open: bool,
    pub(super) is_initiator: bool,
}

/// A seat kept for a user who has lost the connection.
#[derive(Debug)]
pub(super) struct Away {
    pub(super) user: UserId,
    pub(super) stranger: UserId,
    pub(super) until: Instant,
}

/// A user with connections to this node.
#[derive(Debug, Default)]
pub(super) struct LocalUser {
    /// Oldest first.
    pub(super) connections: Vec<ConnId>,
    pub(super) blocks: BTreeSet<UserId>,
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
