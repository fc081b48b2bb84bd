//! The terminal: taken and given back, read and written. It knows nothing of a call.

pub mod caps;
mod flow;
pub mod input;
pub mod signals;
pub mod tty;
pub mod update;
pub mod writer;
