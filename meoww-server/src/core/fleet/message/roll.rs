//! The roll: the state of a hub's connections and users, for the matcher.

use meoww_proto::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::{BlockPart, PlaceCopy, RoomCopy};
use crate::core::lobby::{ConnId, SearchCriteria};

/// Entries of a roll in one message.
pub const MAX_ENTRIES: usize = 256;

/// One connection as its hub holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnReport {
    /// The connection.
    pub conn: ConnId,
    /// Its user.
    pub user: UserId,
    /// Counts the requests of its user; orders for an earlier one are void.
    pub attempt: u32,
    /// Criteria of the last search.
    pub criteria: SearchCriteria,
    /// Its seat.
    pub seat: RollSeat,
}

/// Where a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RollSeat {
    /// In no room and no queue.
    Idle,
    /// It asks for a room of an earlier connection.
    Resuming {
        /// The room.
        room: RoomId,
    },
    /// In the queue.
    Waiting {
        /// Since its user asked.
        age_ms: u32,
    },
    /// In a room.
    Seated {
        /// The room.
        room: RoomId,
        /// The partner's connection, if it is known.
        partner: Option<ConnId>,
        /// The partner's user.
        stranger: UserId,
        /// Since the two were matched.
        age_ms: u32,
        /// For how long the partner's seat is kept, if the partner is away.
        partner_left_ms: Option<u32>,
        /// Whether the room has begun; otherwise it waits to be opened.
        is_open: bool,
        /// Whether it is to make the offer.
        is_initiator: bool,
    },
}

/// A part of a roll.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RollEntry {
    /// A user with a connection on the node; comes before what follows of that user.
    User {
        /// The user.
        user: UserId,
        /// Unpaid cost of skips: see the lobby's pace.
        owed_ms: u32,
        /// The last partner.
        last_partner: Option<UserId>,
    },
    /// Users whom a user has blocked.
    Blocks(BlockPart),
    /// Two users who are not to meet for a while.
    Apart {
        /// The user.
        user: UserId,
        /// The other.
        other: UserId,
        /// Remaining duration.
        left_ms: u32,
    },
    /// A connection.
    Conn(ConnReport),
    /// A seat that is kept for a user whose connection to the node was lost.
    Away {
        /// The room.
        room: RoomId,
        /// The user of the seat.
        user: UserId,
        /// The other member.
        stranger: UserId,
        /// Remaining duration.
        left_ms: u32,
    },
    /// A room of another node, which may be gone.
    Copy {
        /// The room.
        copy: RoomCopy,
        /// For how long the seats in it are kept.
        left_ms: u32,
    },
    /// A place in the queue whose user may come back.
    Place(PlaceCopy),
}

impl RollEntry {
    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Blocks(part) => part.is_bounded(),
            Self::User { .. }
            | Self::Apart { .. }
            | Self::Conn(_)
            | Self::Away { .. }
            | Self::Copy { .. }
            | Self::Place(_) => true,
        }
    }
}
