//! The Meoww client as a library: what `meoww` is made of, for the bot, the benchmark and tests.

pub mod api;
pub mod cli;
mod clock;
pub mod commands;
pub mod config;
pub mod core;
pub mod driver;
pub mod error;
mod files;
#[doc(hidden)]
pub mod fuzzing;
pub mod headless;
pub mod interfaces;
pub mod link;
mod log;
pub mod output;
pub mod peer;
pub mod picture;
pub mod player;
mod prompt;
mod proxy;
pub mod session;
pub mod sound;
pub mod terminal;
#[cfg(test)]
mod testing;
pub mod text;
pub mod tui;
