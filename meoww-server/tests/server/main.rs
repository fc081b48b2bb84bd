//! The server against real sockets, a real database and real processes.
#![expect(clippy::disallowed_methods, reason = "tests own their tasks and read the clock")]

mod accounts;
mod addresses;
mod api_docs;
mod bans;
mod bucket;
#[expect(unreachable_pub, reason = "public in its own crate")]
#[path = "../../../examples/src/coturn.rs"]
mod coturn;
mod database_full;
mod database_hangs;
mod database_resources;
mod drain;
mod duties;
mod engine;
mod export;
mod export_under_writes;
mod fleet;
mod fleet_admin;
mod fleet_drain;
mod fleet_limits;
mod fleet_lost;
mod fleet_start;
mod golden;
mod harness;
mod hostile;
mod jwt;
mod leniency;
mod limits;
mod lobby;
mod lobby_matching;
mod lobby_model;
mod lobby_promises;
mod lockout;
mod log_secrets;
mod mail_queue;
mod migration;
mod moving;
#[path = "../parts/nats.rs"]
mod nats;
mod operator;
mod operator_closes;
mod operator_tools;
mod own_data;
mod own_sessions;
mod passwords;
mod photos;
mod postgres;
mod postgres_migrations;
mod process;
mod proxy;
mod reconnect;
mod records;
mod refused_bodies;
mod reload;
mod revoked_elsewhere;
mod safety_store;
mod session_model;
mod sessions;
mod smtp;
mod socketio;
mod socketio_clients;
mod socketio_rough;
mod sockets;
mod store;
mod store_accounts;
mod strangers;
mod tls;
mod tls_elsewhere;
mod turn;
mod watch;
mod web;

/// How long random tests go on: 256, unless `PROPTEST_CASES` says otherwise.
fn cases() -> u32 {
    proptest::test_runner::Config::default().cases
}
