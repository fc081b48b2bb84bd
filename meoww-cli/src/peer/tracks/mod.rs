//! What is sent and received as media: one thread each way, and RTP to whole pictures.

pub(crate) mod assemble;
mod depacketize;
pub(super) mod receive;
pub(super) mod send;
