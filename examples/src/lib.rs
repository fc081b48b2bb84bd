//! What the bot and the benchmark share.

pub mod account;
pub mod offscreen;
