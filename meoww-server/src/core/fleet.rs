//! Many nodes with one lobby: who is alive, which node matches, and what the nodes say to each
//! other.
//!
//! Each node has a [`Fleet`], which knows where each connection of the node is. One of them leads
//! and has the lobby of all: the other hubs report to it what their connections do and carry out
//! what it orders. Rooms begin in two steps, so that a matcher that dies halfway strands nobody.

mod election;
mod hub_side;
mod id;
mod link;
mod matcher;
mod message;
mod node;
mod packet;
mod term;

pub use self::{
    id::NodeId,
    link::{BEAT, GIVEN_UP, SUSPECTED},
    message::{
        BlockPart, ConnReport, CopyChange, MAX_ANSWER_BYTES, MAX_BLOCKS, MAX_ENTRIES, Message,
        Order, PlaceCopy, RelayKind, RelayText, Request, ResumedSeat, RollEntry, RollSeat,
        RoomCopy, SharedRoom,
    },
    node::{Effect, Fleet, Input, MAX_LAG},
    packet::{Beat, Body, Count, DecodeError, MAX_PACKET_BYTES, Packet, PacketNumber, Pulse},
    term::Term,
};

#[cfg(test)]
mod tests;
