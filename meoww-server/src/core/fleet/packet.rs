//! The bytes of one packet between two nodes: a version, and the packet in postcard's format.

use std::hash::{Hash, Hasher};

use meoww_proto::signal::Presence;
use serde::{Deserialize, Serialize};

use super::{Message, NodeId, Term};

/// Longest packet. A bus carries at least this much in one message.
pub const MAX_PACKET_BYTES: usize = 128 * 1024;
/// Changes with the format: nodes of two versions do not understand each other.
const VERSION: u8 = 5;

/// A packet from one node to another.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Packet {
    /// The sender.
    pub from: NodeId,
    /// The recipient; `None` for all, of a [`Body::Hello`].
    pub to: Option<NodeId>,
    /// The sender's session of their link; never 0, and higher than any before.
    pub session: u32,
    /// The recipient's session as far as the sender knows; 0 if it knows none.
    pub peer_session: u32,
    /// Counts the packets of the sender's session.
    pub number: PacketNumber,
    /// How many messages of the recipient's session have arrived in order.
    pub ack: u64,
    /// The contents.
    pub body: Body,
}

/// The place of a packet in its session, from 1. It tells a new packet from a copy of an older one,
/// and no states of a link apart: all have the same hash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PacketNumber(pub u64);

impl Hash for PacketNumber {
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// The contents of a packet.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Body {
    /// Announces a node.
    Hello,
    /// The sender is alive.
    Beat(Beat),
    /// A message.
    Data {
        /// Counts the messages of the sender's session, from 0.
        seq: u64,
        /// The message.
        message: Message,
    },
}

/// The state of a node that it sends to each other node at an interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Beat {
    /// The highest term the sender has promised to follow.
    pub term: Option<Term>,
    /// Whether the sender is its matcher.
    pub leads: bool,
    /// Whether the sender is draining.
    pub is_draining: bool,
    /// Whether the sender has heard from the recipient lately.
    pub hears_you: bool,
    /// How many other nodes the sender hears and is heard by.
    pub reach: u32,
    /// The newest sign of life of the matcher of `term` that the sender has heard of.
    pub pulse: Pulse,
    /// Presence on all nodes; from the matcher alone.
    pub presence: Option<Count>,
}

/// A sign of life of a matcher, which all nodes that follow it pass on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pulse {
    /// Counts the beats of the term.
    pub count: u64,
    /// How many other nodes the matcher hears and is heard by.
    pub reach: u32,
}

/// A [`Presence`], in a type that can be hashed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Count {
    /// Users connected.
    pub online: u32,
    /// Users in the queue.
    pub searching: u32,
}

impl From<Count> for Presence {
    fn from(Count { online, searching }: Count) -> Self {
        Self { online, searching }
    }
}

/// Why bytes are no packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Longer than [`MAX_PACKET_BYTES`].
    #[error("packet is longer than {MAX_PACKET_BYTES} bytes")]
    TooLong,
    /// From a server of another version.
    #[error("packet has format {0}, and this version speaks {VERSION}")]
    Version(u8),
    /// Anything else.
    #[error("malformed packet")]
    Malformed,
}

impl Packet {
    /// Returns its bytes. Longer than [`MAX_PACKET_BYTES`] it is only if its message breaks the
    /// bounds that [`Packet::decode`] checks.
    pub fn encode(&self) -> Vec<u8> {
        let encoded = postcard::to_extend(self, vec![VERSION]);
        encoded.expect("types of a packet can be written, and a vector takes what it is given")
    }

    /// Returns the packet in these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        if bytes.len() > MAX_PACKET_BYTES {
            return Err(DecodeError::TooLong);
        }
        let (version, rest) = bytes.split_first().ok_or(DecodeError::Malformed)?;
        if *version != VERSION {
            return Err(DecodeError::Version(*version));
        }
        match postcard::take_from_bytes::<Self>(rest) {
            Ok((packet, [])) if packet.is_bounded() => Ok(packet),
            Ok(_) | Err(_) => Err(DecodeError::Malformed),
        }
    }

    fn is_bounded(&self) -> bool {
        let is_bounded = match &self.body {
            Body::Hello | Body::Beat(_) => true,
            Body::Data { message, .. } => message.is_bounded(),
        };
        is_bounded && self.session != 0 && (self.to.is_none() == (self.body == Body::Hello))
    }
}

#[cfg(test)]
mod tests;
