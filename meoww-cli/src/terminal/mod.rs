//! The terminal: taken and given back, read and written. It knows nothing of a call.

pub mod caps;
pub mod input;
pub mod tty;
pub mod writer;
