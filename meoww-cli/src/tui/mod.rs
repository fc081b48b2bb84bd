//! The screen of a call.
//!
//! Keys and news go through [`update`](update::update), which is pure; [`view`] shows the state it
//! leaves. Pictures take the short way: the newest of each is drawn past all that, when the terminal
//! is ready for it.

pub mod chat;
pub mod editor;
pub mod keymap;
pub mod layout;
pub mod sound;
pub mod state;
pub mod update;
pub mod view;

mod canvas;
mod rate;
mod screen;

pub use screen::{Outcome, Screen, run};
