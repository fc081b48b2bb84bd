//! Code that the bot, the benchmark and tests share.

pub mod account;
pub mod cat;
pub mod coturn;
pub mod fleet;
pub mod network;
pub mod offscreen;
pub mod screen;
