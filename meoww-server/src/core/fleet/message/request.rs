//! Requests of a hub to the matcher.

use meoww_proto::{RoomId, UserId};
use serde::{Deserialize, Serialize};

use super::{BlockPart, ConnReport, RollEntry};
use crate::core::lobby::ConnId;

/// A request of a hub to the matcher.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// The hub's roll follows; whatever the matcher knew of that hub is void.
    RollBegin,
    /// A part of it, at most [`MAX_ENTRIES`](super::MAX_ENTRIES).
    Roll(Vec<RollEntry>),
    /// The roll is complete.
    RollEnd,
    /// A new connection.
    Connect(ConnReport),
    /// The new state of a connection, after a search, skip, leave or cancel of its user.
    Change {
        /// Its attempt counts up.
        report: ConnReport,
        /// Whether it left its room by that.
        left: Option<RoomId>,
    },
    /// A connection ended.
    Disconnect {
        /// The connection.
        conn: ConnId,
        /// Whether its user may come back: the seat or the turn is kept.
        is_lost: bool,
    },
    /// The blocks of a user with a connection on the node.
    Blocks(BlockPart),
    /// See [`Input::Mismatch`](crate::core::lobby::Input::Mismatch).
    Mismatch {
        /// The user who found it.
        user: UserId,
        /// The partner.
        other: UserId,
        /// For how long the two are kept apart.
        left_ms: u32,
    },
    /// The connection waits for this room to open.
    Held {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// The connection does not take part in this room.
    Refuse {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// The partner's node says that the partner is not in the room.
    Doubt {
        /// The connection in the room.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// The partner's connection, which is not in it.
        partner: ConnId,
    },
    /// The connection waited for this room to open, and has heard from the partner, who is in it.
    Opened {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
}
