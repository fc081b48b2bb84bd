//! Videos and the camera on the terminal, drawn as in a call: `meoww play` and `meoww preview`.
//!
//! `state` is pure, `feed` has the pictures when they are due, and `rest` those that stay once more; `screen` runs; `measure` draws into a
//! file as fast as it goes.

mod bar;
mod feed;
pub mod measure;
mod rest;
mod screen;
mod state;

pub use self::{
    feed::Feed,
    screen::{Ending, Player, run},
};
