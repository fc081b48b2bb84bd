//! The words Meoww's server and its clients agree on, and no behaviour beyond reading and writing
//! them.
//!
//! - [`account`]: bodies of the HTTP API.
//! - [`signal`]: events on the socket; [`asyncapi`] describes them to machines.
//! - [`ids`]: identifiers that were checked when they were made.
//! - [`json`]: JSON as browsers write it.
//! - [`tags`]: what a search may ask of a partner.
//! - [`error`]: error codes both sides know.
#![deny(missing_docs)]

pub mod account;
pub mod asyncapi;
pub mod error;
pub mod ids;
pub mod json;
pub mod limits;
pub mod signal;
pub mod tags;

pub use ids::{RoomId, UserId};
