//! The Meoww client as a library: what `meoww` is made of, for the bot, the benchmark and tests.

pub mod core;
pub mod media;
pub mod text;
pub mod tui;
