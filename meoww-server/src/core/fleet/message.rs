//! Messages between nodes over their links.
//!
//! Times are ages or remaining durations in milliseconds, as the clocks of nodes differ.

mod blocks;
mod copies;
mod order;
mod relay;
mod request;
mod roll;

use std::time::{Duration, Instant};

use meoww_proto::{
    RoomId, UserId,
    limits::{MAX_DESCRIPTION_BYTES, MAX_EVENT_BYTES},
};
use serde::{Deserialize, Serialize};

pub(super) use self::blocks::PartialLists;
pub use self::{
    blocks::{BlockPart, MAX_BLOCKS},
    copies::{CopyChange, PlaceCopy, RoomCopy},
    order::{Order, ResumedSeat},
    relay::{RelayKind, RelayText},
    request::Request,
    roll::{ConnReport, MAX_ENTRIES, RollEntry, RollSeat},
};
use super::Term;
use crate::core::lobby::ConnId;

/// Longest text of a question or answer.
pub const MAX_ANSWER_BYTES: usize = 96 * 1024;

/// Returns the milliseconds from one moment to a later one.
pub(super) fn millis(later: Instant, earlier: Instant) -> u32 {
    let time = later.saturating_duration_since(earlier);
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}

/// Returns the moment so many milliseconds before another.
pub(super) fn ago(now: Instant, millis: u32) -> Instant {
    now.checked_sub(Duration::from_millis(millis.into())).unwrap_or(now)
}

/// A message over a link.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Message {
    /// From a hub to the matcher of this term.
    Request(Term, Request),
    /// From the matcher of this term to a hub.
    Order(Term, Order),
    /// From one member of a room to the other.
    Relay {
        /// The sender.
        from: ConnId,
        /// The partner, as the sender knows.
        to: ConnId,
        /// Their room, as the sender believes.
        room: RoomId,
        /// Its payload.
        text: RelayText,
    },
    /// Rooms that members on the sender's node share with members on the recipient's node: at most
    /// [`MAX_ENTRIES`].
    Shared(Vec<SharedRoom>),
    /// The answer to a relay or shared room for a connection that is not in the room.
    NotHere {
        /// The member that is in the room.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// The partner, who is not in it.
        partner: ConnId,
    },
    /// A change of the copies that the recipient keeps for the sender.
    Copies(CopyChange),
    /// Sessions of this user ended, or the user is banned: look into the store.
    Revoked(UserId),
    /// An operator's question to this node.
    Question {
        /// Repeated in the answer.
        id: u64,
        /// At most [`MAX_ANSWER_BYTES`].
        text: String,
    },
    /// The answer.
    Answer {
        /// The id of the question.
        id: u64,
        /// At most [`MAX_ANSWER_BYTES`].
        text: String,
    },
}

/// A room that a member believes to share with a partner on another node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SharedRoom {
    /// The member.
    pub conn: ConnId,
    /// The room.
    pub room: RoomId,
    /// The partner.
    pub partner: ConnId,
}

impl Message {
    /// Returns the connection that a message between partners is for.
    pub(super) fn recipient(&self) -> Option<ConnId> {
        match self {
            Self::Relay { to, .. } => Some(*to),
            Self::NotHere { conn, .. } => Some(*conn),
            Self::Request(..)
            | Self::Order(..)
            | Self::Shared(_)
            | Self::Copies(_)
            | Self::Revoked(_)
            | Self::Question { .. }
            | Self::Answer { .. } => None,
        }
    }

    /// Returns about how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let more = match self {
            Self::Request(_, Request::Roll(entries)) => entries.len() * size_of::<RollEntry>(),
            Self::Request(_, Request::Blocks(part)) | Self::Order(_, Order::Blocks(part)) => {
                part.blocked.len() * size_of::<UserId>()
            }
            Self::Shared(rooms) => rooms.len() * size_of::<SharedRoom>(),
            Self::Copies(change) => change.weight(),
            Self::Relay { text, .. } => text.text.len(),
            Self::Question { text, .. } | Self::Answer { text, .. } => text.len(),
            Self::Request(..) | Self::Order(..) | Self::NotHere { .. } | Self::Revoked(_) => 0,
        };
        size_of::<Self>() + more
    }

    /// Returns whether everything of variable length is within its bound.
    pub(super) fn is_bounded(&self) -> bool {
        match self {
            Self::Request(_, Request::Roll(entries)) => {
                entries.len() <= MAX_ENTRIES && entries.iter().all(RollEntry::is_bounded)
            }
            Self::Request(_, Request::Blocks(part)) | Self::Order(_, Order::Blocks(part)) => {
                part.is_bounded()
            }
            Self::Shared(rooms) => rooms.len() <= MAX_ENTRIES,
            Self::Copies(change) => change.is_bounded(),
            Self::Relay { text: RelayText { kind: RelayKind::Chat, text }, .. } => {
                text.len() <= MAX_EVENT_BYTES
            }
            Self::Relay { text, .. } => text.text.len() <= MAX_DESCRIPTION_BYTES,
            Self::Question { text, .. } | Self::Answer { text, .. } => {
                text.len() <= MAX_ANSWER_BYTES
            }
            Self::Request(..) | Self::Order(..) | Self::NotHere { .. } | Self::Revoked(_) => true,
        }
    }
}
