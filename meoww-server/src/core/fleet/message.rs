//! What nodes say to each other over their links.
//!
//! Times are ages or what is left, in milliseconds: clocks of nodes differ.

use std::time::Instant;

use meoww_proto::{
    RoomId, UserId,
    error::SignalErrorCode,
    limits::{MAX_DESCRIPTION_BYTES, MAX_EVENT_BYTES},
    signal::{Relay, RelayPayload},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Term;
use crate::core::lobby::{ConnId, SearchCriteria};

/// Entries of a roll in one message.
pub const MAX_ENTRIES: usize = 256;
/// Blocks of one user in one entry of a roll.
pub const MAX_BLOCKS: usize = 64;
/// Longest text of a question or answer.
pub const MAX_ANSWER_BYTES: usize = 96 * 1024;

/// Returns the milliseconds from one moment to a later one.
pub(super) fn millis(later: Instant, earlier: Instant) -> u32 {
    let time = later.saturating_duration_since(earlier);
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
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
        /// What it carries.
        text: RelayText,
    },
    /// The answer to a relay for a connection that is not in the room.
    NotHere {
        /// Who sent the relay.
        conn: ConnId,
        /// The room it named.
        room: RoomId,
        /// Who is not in it.
        partner: ConnId,
    },
    /// Sessions of this user ended, or the user is banned: look into the store.
    Revoked(UserId),
    /// An operator's question to this node.
    Question {
        /// Repeated in the answer.
        id: u64,
        /// At most [`MAX_ANSWER_BYTES`].
        text: String,
    },
    /// A part of the answer.
    Answer {
        /// Of the question.
        id: u64,
        /// At most [`MAX_ANSWER_BYTES`].
        text: String,
        /// Whether no part comes after it.
        is_last: bool,
    },
}

/// What a hub asks of the matcher.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Request {
    /// What the hub holds follows; what the matcher knew of it is void.
    RollBegin,
    /// A part of it, at most [`MAX_ENTRIES`].
    Roll(Vec<RollEntry>),
    /// That was all.
    RollEnd,
    /// A new connection.
    Connect(ConnReport),
    /// The connection's state from now on, by a search, skip, leave or cancel of its user.
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
        /// Whether it may come back.
        is_lost: bool,
    },
    /// See [`Input::Block`](crate::core::lobby::Input::Block).
    Block {
        /// Who decided so.
        user: UserId,
        /// Of whom.
        blocked: UserId,
    },
    /// See [`Input::Unblock`](crate::core::lobby::Input::Unblock).
    Unblock {
        /// Who decided so.
        user: UserId,
        /// Of whom.
        blocked: UserId,
    },
    /// See [`Input::Mismatch`](crate::core::lobby::Input::Mismatch).
    Mismatch {
        /// Who found so.
        user: UserId,
        /// Whom they met.
        other: UserId,
    },
    /// The connection waits for this room to open.
    Held {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// The connection is not to be had for this room.
    Refuse {
        /// The connection.
        conn: ConnId,
        /// The room.
        room: RoomId,
    },
    /// The partner's node says that the partner is not in the room.
    Doubt {
        /// Who is in it.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// Who is not.
        partner: ConnId,
    },
}

/// What the matcher tells a hub to do.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Order {
    /// The answer to a connect that asked for a room.
    Welcome {
        /// The connection.
        conn: ConnId,
        /// Its seat, if the room is there.
        resumed: Option<ResumedSeat>,
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
        /// Whose that is.
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
    /// The partner is elsewhere now.
    PartnerMoved {
        /// Who stayed.
        conn: ConnId,
        /// The room.
        room: RoomId,
        /// Where the partner is.
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
    /// Another node's connection of the user decided so.
    Block {
        /// Who decided so.
        user: UserId,
        /// Of whom.
        blocked: UserId,
    },
    /// Likewise.
    Unblock {
        /// Who decided so.
        user: UserId,
        /// Of whom.
        blocked: UserId,
    },
}

/// A room taken up again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ResumedSeat {
    /// The room.
    pub room: RoomId,
    /// The other member.
    pub stranger: UserId,
    /// Where that one is, unless away.
    pub partner: Option<ConnId>,
}

/// One connection as its hub holds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ConnReport {
    /// The connection.
    pub conn: ConnId,
    /// Whose.
    pub user: UserId,
    /// Counts what its user asked for; what the matcher says of an earlier one is void.
    pub attempt: u32,
    /// What the last search asked for.
    pub criteria: SearchCriteria,
    /// Where it is.
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
        /// Whose that is.
        stranger: UserId,
        /// Since the two were matched.
        age_ms: u32,
        /// Whether it has begun, and does not wait to be opened.
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
        /// What skips have cost and time has not yet paid.
        owed_ms: u32,
        /// Who was left last.
        last_partner: Option<UserId>,
    },
    /// Whom a user is never to meet.
    Blocks {
        /// The user.
        user: UserId,
        /// At most [`MAX_BLOCKS`].
        blocked: Vec<UserId>,
    },
    /// Whom a user is not to meet for a while.
    Apart {
        /// The user.
        user: UserId,
        /// The other.
        other: UserId,
        /// For how long.
        left_ms: u32,
    },
    /// A connection.
    Conn(ConnReport),
    /// A seat that is kept for a user whose connection to the node was lost.
    Away {
        /// The room.
        room: RoomId,
        /// Whose seat.
        user: UserId,
        /// The other member.
        stranger: UserId,
        /// For how long.
        left_ms: u32,
    },
}

/// The kinds of relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RelayKind {
    /// An SDP offer, in JSON.
    Offer,
    /// An SDP answer, in JSON.
    Answer,
    /// An ICE candidate, in JSON.
    Candidate,
    /// A chat line.
    Chat,
}

/// The payload of a [`Relay`], which is JSON unless it is a chat line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayText {
    /// What it is.
    pub kind: RelayKind,
    /// At most [`MAX_DESCRIPTION_BYTES`], or a chat line.
    pub text: String,
}

impl From<&RelayPayload> for RelayText {
    fn from(payload: &RelayPayload) -> Self {
        let (kind, text) = match payload {
            RelayPayload::Offer(json) => (RelayKind::Offer, json.get()),
            RelayPayload::Answer(json) => (RelayKind::Answer, json.get()),
            RelayPayload::Candidate(json) => (RelayKind::Candidate, json.get()),
            RelayPayload::Chat(text) => (RelayKind::Chat, text.as_str()),
        };
        Self { kind, text: text.to_owned() }
    }
}

impl RelayText {
    /// Returns the relay in this room; `None` where the text is not the JSON it should be.
    pub fn into_relay(self, room_id: RoomId) -> Option<Relay> {
        let json = |text| RawValue::from_string(text).ok();
        let payload = match self.kind {
            RelayKind::Offer => RelayPayload::Offer(json(self.text)?),
            RelayKind::Answer => RelayPayload::Answer(json(self.text)?),
            RelayKind::Candidate => RelayPayload::Candidate(json(self.text)?),
            RelayKind::Chat => RelayPayload::Chat(self.text),
        };
        Some(Relay { room_id, payload })
    }
}

impl Message {
    /// Returns about how many bytes it takes.
    pub(super) fn weight(&self) -> usize {
        let more = match self {
            Self::Request(_, Request::Roll(entries)) => entries.len() * size_of::<RollEntry>(),
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

impl RollEntry {
    fn is_bounded(&self) -> bool {
        match self {
            Self::Blocks { blocked, .. } => blocked.len() <= MAX_BLOCKS,
            Self::User { .. } | Self::Apart { .. } | Self::Conn(_) | Self::Away { .. } => true,
        }
    }
}
