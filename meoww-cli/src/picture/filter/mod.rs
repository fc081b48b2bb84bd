//! What is done to a picture on its way: before the codec, or before the screen.

pub mod coarse;
pub mod square;
