//! The server of Meoww: accounts, matchmaking and signalling for one-to-one video chat.
//!
//! [`core`] decides and does no IO. `http`, `ws`, [`store`] and [`mail`] each translate one outside
//! format. `hub` owns the lobby, and [`app::App`] puts it all together: a whole server
//! runs in-process from `App::open` and `App::serve`.

pub mod app;
pub mod cli;
pub mod config;
pub mod core;
#[doc(hidden)]
pub mod fuzzing;
pub mod http_api;
pub mod mail;
pub mod store;
pub mod tls;

mod admin;
mod background;
mod clock;
mod connection;
mod deletion;
mod draft;
mod drain;
mod exports;
mod hashing;
mod http;
mod hub;
mod lifetime;
mod listener;
mod logging;
mod metrics;
mod outbox;
mod photos;
mod queue;
mod readiness;
mod renewal;
mod socketio;
#[cfg(test)]
mod testing;
mod tokens;
mod ws;
