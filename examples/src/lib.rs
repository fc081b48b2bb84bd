//! What the bot and the benchmark share.

pub mod account;
pub mod cat;
pub mod offscreen;
