//! Stories of whole programs: real processes, real sockets, real terminals.

mod account;
mod bad_days;
mod bench;
mod browser;
mod failover;
mod fleet;
mod headless;
mod hostile_server;
mod namespaces;
mod on_screen;
mod pixels;
mod play;
mod proxies;
mod questions;
mod relay;
mod screen_of_pixels;
mod server;
mod sizes;
mod sound;
mod strangers;
mod terminal;
mod user;
