//! Copies of rooms that no other node would know of if the sender were gone.

use meoww_proto::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::MAX_ENTRIES;

/// A room and its members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RoomCopy {
    /// The room.
    pub room: RoomId,
    /// Its members.
    pub members: [UserId; 2],
}

/// A change of the copies that a node keeps for the sender.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum CopyChange {
    /// Forget all of them.
    Clear,
    /// Keep these, at most [`MAX_ENTRIES`].
    Keep(Vec<RoomCopy>),
    /// Forget these, at most [`MAX_ENTRIES`].
    Drop(Vec<RoomId>),
}

impl CopyChange {
    /// Returns about how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Clear => 0,
            Self::Keep(copies) => copies.len() * size_of::<RoomCopy>(),
            Self::Drop(rooms) => rooms.len() * size_of::<RoomId>(),
        }
    }

    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Clear => true,
            Self::Keep(copies) => copies.len() <= MAX_ENTRIES,
            Self::Drop(rooms) => rooms.len() <= MAX_ENTRIES,
        }
    }
}
