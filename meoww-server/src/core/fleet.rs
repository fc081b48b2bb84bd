//! Many nodes with one lobby: who is alive, which node matches, and what the nodes say to each
//! other.

mod id;
mod message;
mod packet;
mod term;

pub use self::{
    id::NodeId,
    message::{
        ConnReport, MAX_ANSWER_BYTES, MAX_BLOCKS, MAX_ENTRIES, Message, Order, RelayKind,
        RelayText, Request, ResumedSeat, RollEntry, RollSeat,
    },
    packet::{Beat, Body, DecodeError, MAX_PACKET_BYTES, Packet},
    term::Term,
};
