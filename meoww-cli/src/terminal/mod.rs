//! The terminal: taken and given back, read and written. It knows nothing of a call.

pub mod ask;
pub mod caps;
pub mod effort;
pub mod env;
pub mod findings;
mod flow;
pub mod input;
pub mod probe;
pub mod signals;
mod slices;
pub mod tty;
pub mod update;
mod window;
pub mod writer;
