//! The server against real sockets, a real database and real processes.
#![expect(clippy::disallowed_methods, reason = "tests own their tasks and read the clock")]

mod accounts;
mod addresses;
mod bans;
mod export;
mod harness;
mod limits;
mod lobby;
mod lobby_promises;
mod own_data;
mod own_sessions;
mod passwords;
mod process;
mod proxy;
mod reconnect;
mod reload;
mod safety_store;
mod sessions;
mod smtp;
mod sockets;
mod store;
mod store_accounts;
mod tls;
mod watch;
