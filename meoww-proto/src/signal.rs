//! Events on the socket: one JSON text message each, `{"event":"search","data":{...}}`.
//!
//! Names and payload keys are those of the Node.js backend's Socket.IO events, with `roomId` added
//! to whatever belongs to a room. SDP and ICE candidates are opaque: [`RawValue`]s that are relayed
//! byte for byte (clients of ours and browsers put `RTCSessionDescriptionInit` and
//! `RTCIceCandidateInit` there).

pub(crate) mod catalogue;
mod codec;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

pub use self::codec::DecodeError;
use crate::{
    error::SignalErrorCode,
    ids::{RoomId, UserId},
    tags::Tag,
};

/// Query parameter of the upgrade (`/ws?resume=ROOMID`): take up this room again, whether the
/// connection that was in it is known to be lost or still counts as alive; then that one is cut. A
/// connection that does not ask is welcomed without a room, and its `search` or `skip` ends the one
/// that a lost connection left behind. `welcome` tells whether it worked.
pub const RESUME_QUERY: &str = "resume";

/// What a client says.
#[derive(Debug, Clone)]
pub enum ClientMessage {
    /// Queue me for a partner. Ends the room that a lost connection of the account left behind.
    Search(Search),
    /// Take me out of the queue; without effect outside of it.
    Cancel,
    /// Leave the room, if any, and queue me again, on the terms of my last search.
    Skip,
    /// Leave the room, if any, and do not queue me.
    Leave,
    /// Never match me with the partner of this room again; ends it if it is my present one.
    Block {
        /// The present room or the one before it.
        room_id: RoomId,
    },
    /// No picture can pass between the partner of this room and me, as we have no codec or no network
    /// in common: do not match us again soon. The room goes on.
    Mismatch {
        /// The present room or the one before it.
        room_id: RoomId,
    },
    /// Tell the operators about the partner of this room; its last chat lines go with it.
    Report(Report),
    /// To the partner.
    Relay(Relay),
}

/// Data of `search`: nothing at all for anyone, at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Search {
    /// At most [`MAX_TAGS`](crate::tags::MAX_TAGS). A partner with one of them comes first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<Tag>,
    /// Seconds after which anyone will do, at most [`MAX_TAG_WAIT`](crate::tags::MAX_TAG_WAIT); left
    /// out, [`DEFAULT_TAG_WAIT`](crate::tags::DEFAULT_TAG_WAIT). Means nothing without tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_seconds: Option<u16>,
}

/// Data of `report`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// The present room or the one before it.
    pub room_id: RoomId,
    /// 1 to [`MAX_REASON_CHARS`](crate::limits::MAX_REASON_CHARS) characters.
    pub reason: String,
}

/// What passes from one member of a room to the other. The server looks at its room and its size,
/// and in descriptions and candidates for the `ice-ufrag` by which they belong together.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The sender's room as the sender believes; anything but its present one is dropped.
    pub room_id: RoomId,
    /// What it carries.
    pub payload: RelayPayload,
}

/// The kinds of [`Relay`].
#[derive(Debug, Clone)]
pub enum RelayPayload {
    /// `offer`: an SDP offer (RFC 8829).
    Offer(Box<RawValue>),
    /// `answer`: an SDP answer.
    Answer(Box<RawValue>),
    /// `ice-candidate`: one trickled candidate (RFC 8838).
    Candidate(Box<RawValue>),
    /// `send-message`: a chat line, 1 to [`MAX_CHAT_CHARS`](crate::limits::MAX_CHAT_CHARS) characters.
    Chat(String),
}

/// What the server says.
#[derive(Debug, Clone)]
pub enum ServerMessage {
    /// First on every connection.
    Welcome(Welcome),
    /// You are in the queue.
    Searching,
    /// You are in a room.
    Matched(Matched),
    /// From the partner: `offer`, `answer`, `ice-candidate`.
    Signal(Relay),
    /// `receive-message`: a chat line, the partner's or the echo of one's own once it was passed on.
    Chat(Chat),
    /// The room is over; you are in no queue.
    PeerDisconnected {
        /// The room that ended.
        room_id: RoomId,
    },
    /// The partner of this room is blocked; durable.
    Blocked {
        /// The room.
        room_id: RoomId,
    },
    /// The report about this room is filed; durable.
    Reported {
        /// The room.
        room_id: RoomId,
    },
    /// How many there are, when it changed and at most once a second.
    Presence(Presence),
    /// `notice`: the operator has something to say to everybody.
    Notice {
        /// For people.
        text: String,
    },
    /// No new matches here: come back in a moment, to wherever the address leads then. A call in
    /// progress may go on for so long.
    Draining {
        /// Until the server goes, in seconds.
        seconds: u32,
    },
    /// Something was refused; the connection goes on.
    Error(SignalError),
}

/// Data of `presence`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Presence {
    /// Users connected.
    pub online: u32,
    /// Of those, how many wait for a partner.
    pub searching: u32,
}

/// Data of `welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// Whose connection this is.
    pub user_id: UserId,
    /// The room this connection has taken up again after a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
}

/// Data of `matched`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matched {
    /// The new room.
    pub room_id: RoomId,
    /// Exactly one of the two is told to make the offer.
    pub is_initiator: bool,
}

/// Data of `receive-message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// The room it was said in.
    pub room_id: RoomId,
    /// As typed by the sender: hostile until sanitised.
    pub text: String,
    /// Whether it is the echo of one's own.
    pub from_self: bool,
}

/// Data of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalError {
    /// For programs.
    pub code: SignalErrorCode,
    /// For people.
    pub message: String,
}
