//! Orders of the matcher to a hub.

use meoww_proto::{RoomId, UserId, error::SignalErrorCode};
use serde::{Deserialize, Serialize};

use super::BlockPart;
use crate::core::lobby::ConnId;

/// An order of the matcher to a hub.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// The answer to a connect that asked for a room.
    Welcome {
        /// The connection.
        conn: ConnId,
        /// Its seat, if the room is there.
        resumed: Option<ResumedSeat>,
    },
    /// The user has waited for longer than this connection.
    Waits {
        /// The connection.
        conn: ConnId,
        /// The attempt that waits.
        attempt: u32,
        /// Since the user asked.
        age_ms: u32,
    },
    /// Keep the connection for this room.
    Hold {
        /// The connection.
        conn: ConnId,
        /// The attempt that is matched.
        attempt: u32,
        /// The room.
        room: RoomId,
        /// The partner's connection.
        partner: ConnId,
        /// The partner's user.
        stranger: UserId,
        /// Whether it is to make the offer.
        is_initiator: bool,
    },
    /// Both are held: the room begins.
    Open {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// The room will not open; the connection goes on waiting.
    Undo {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// Whether its place in the queue is lost, and it is to ask again.
        asks_again: bool,
    },
    /// The partner's connection is lost, and the partner's seat is kept for a while.
    PartnerAway {
        /// The connection that stayed.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// For how long the seat is kept.
        left_ms: u32,
    },
    /// The partner goes on in another connection.
    PartnerMoved {
        /// The connection that stayed.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// The partner's new connection.
        partner: ConnId,
    },
    /// The room is over.
    RoomOver {
        /// A former member.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// The attempt failed.
    Refused {
        /// The connection.
        conn: ConnId,
        /// The attempt that failed.
        attempt: u32,
        /// Why.
        code: SignalErrorCode,
    },
    /// Another connection took its place.
    Displaced {
        /// To be closed.
        conn: ConnId,
    },
    /// The blocks of a user, as another node of that user has read them.
    Blocks(BlockPart),
}

/// A room taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResumedSeat {
    /// The room.
    pub room: RoomId,
    /// The other member.
    pub stranger: UserId,
    /// The partner's connection, unless the partner is away.
    pub partner: Option<ConnId>,
}
