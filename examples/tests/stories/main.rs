//! Stories of whole programs: real processes, real sockets, real terminals.

mod bad_days;
mod headless;
mod on_screen;
mod relay;
mod server;
mod terminal;
mod user;
