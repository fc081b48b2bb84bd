//! The server against real sockets, a real database and real processes.
#![expect(clippy::disallowed_methods, reason = "tests own their tasks and read the clock")]

mod accounts;
mod harness;
mod hostile;
mod lobby;
mod lobby_promises;
mod process;
mod reconnect;
mod safety_store;
mod sessions;
mod smtp;
mod sockets;
mod store;
mod tls;
