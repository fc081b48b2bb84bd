//! What decides, without doing: no socket, no clock, no task. Time is an argument, and what is to
//! be done comes out as a value.

pub mod backoff;
pub mod call;
pub mod event;
