//! The server of Meoww: accounts, matchmaking and signalling for one-to-one video chat.
//!
//! [`core`] decides and does no IO. [`store`], [`mail`] and the hub, which owns the lobby, carry out;
//! `services` has one function an operation, and `http`, `sockets` and `admin` each translate one
//! outside format into calls of them. [`server::Server`] puts it all together: a whole server runs
//! in-process from `Server::open` and `Server::serve`.

pub mod cli;
pub mod config;
pub mod core;
#[doc(hidden)]
pub mod fuzzing;
pub mod mail;
pub mod openapi;
pub mod server;
pub mod store;
pub mod tls;

mod admin;
mod atomic_file;
mod bearer;
mod clock;
mod fleet;
mod hashing;
mod http;
mod hub;
mod listener;
mod logging;
mod metrics;
mod photos;
mod queue;
mod send_queue;
mod serve;
mod services;
mod sockets;
#[cfg(test)]
mod testing;
mod tokens;
