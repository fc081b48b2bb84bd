//! The Meoww client as a library: what `meoww` is made of, for the bot, the benchmark and tests.

pub mod api;
pub mod cli;
pub mod commands;
pub mod config;
pub mod core;
pub mod driver;
pub mod error;
#[doc(hidden)]
pub mod fuzzing;
pub mod headless;
mod log;
pub mod media;
pub mod output;
mod prompt;
pub mod session;
pub mod signal;
pub mod text;
pub mod tui;
