//! The server against real sockets, a real database and real processes.
#![expect(clippy::disallowed_methods, reason = "tests own their tasks and read the clock")]

mod accounts;
mod addresses;
mod api_docs;
mod bans;
mod export;
mod golden;
mod harness;
mod hostile;
mod limits;
mod lobby;
mod lobby_matching;
mod lobby_model;
mod lobby_promises;
mod operator;
mod own_data;
mod own_sessions;
mod passwords;
mod photos;
mod process;
mod proxy;
mod reconnect;
mod reload;
mod safety_store;
mod session_model;
mod sessions;
mod smtp;
mod socketio;
mod sockets;
mod store;
mod store_accounts;
mod strangers;
mod tls;
mod watch;
mod web;
