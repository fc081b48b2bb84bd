//! What is done to a picture between its source and the codec.

pub mod square;
