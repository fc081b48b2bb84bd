//! Copies of rooms and of places in the queue that no other node would know of if the sender were gone.

use std::time::{Duration, Instant};

use meoww_proto::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::{MAX_ENTRIES, ago, millis};
use crate::core::lobby::{ConnId, KeptPlace, SEAT_LEASE, SearchCriteria};

/// A room and its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoomCopy {
    /// The room.
    pub room: RoomId,
    /// Its members.
    pub members: [UserId; 2],
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PlaceCopy {
    /// The user.
    pub user: UserId,
    /// The connection in which the user waits, or waited.
    pub conn: ConnId,
    /// The criteria of the search.
    pub criteria: SearchCriteria,
    /// Since the user asked.
    pub age_ms: u32,
    /// For how long it is kept if the user does not come back.
    pub left_ms: u32,
}

/// A change of the copies that a node keeps for the sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CopyChange {
    /// Forget all rooms. Places end by themselves.
    Clear,
    /// Keep these rooms, at most [`MAX_ENTRIES`].
    Keep(Vec<RoomCopy>),
    /// Forget these rooms, at most [`MAX_ENTRIES`].
    Drop(Vec<RoomId>),
    /// Keep these places, at most [`MAX_ENTRIES`].
    Places {
        /// Whether they replace those before; otherwise they are more of the same.
        is_first: bool,
        /// The places.
        places: Vec<PlaceCopy>,
    },
}

impl PlaceCopy {
    pub(in crate::core::fleet) fn new(place: &KeptPlace, now: Instant) -> Self {
        let KeptPlace { user, conn, criteria, asked, until } = *place;
        let (age_ms, left_ms) = (millis(now, asked), millis(until, now));
        Self { user, conn, criteria, age_ms, left_ms }
    }

    pub(in crate::core::fleet) fn place(&self, now: Instant) -> KeptPlace {
        let Self { user, conn, criteria, age_ms, left_ms } = *self;
        let left = Duration::from_millis(left_ms.into()).min(SEAT_LEASE);
        KeptPlace { user, conn, criteria, asked: ago(now, age_ms), until: now + left }
    }
}

impl CopyChange {
    /// Returns about how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Clear => 0,
            Self::Keep(copies) => copies.len() * size_of::<RoomCopy>(),
            Self::Drop(rooms) => rooms.len() * size_of::<RoomId>(),
            Self::Places { places, .. } => places.len() * size_of::<PlaceCopy>(),
        }
    }

    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Clear => true,
            Self::Keep(copies) => copies.len() <= MAX_ENTRIES,
            Self::Drop(rooms) => rooms.len() <= MAX_ENTRIES,
            Self::Places { places, .. } => places.len() <= MAX_ENTRIES,
        }
    }
}
