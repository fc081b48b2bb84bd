//! Nodes that serve together, over NATS: what `core/fleet` decides is carried from one to another.
//! NATS promises no delivery; links resend what is lost, and copies are told by their numbers.

pub(crate) mod bus;
pub(crate) mod envelope;
pub(crate) mod gathered;
