//! Several nodes in virtual time, over a bus that loses, repeats and reorders what is sent.
#![expect(clippy::disallowed_methods, reason = "an Instant can only be had from the clock")]

mod blocks;
mod copies;
mod drain;
mod links;
mod model;
mod pace;
mod parts;
mod rolls;
mod search;
mod stories;
mod world;
