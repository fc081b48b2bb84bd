//! One stage a file: a picture in, a picture out.

pub mod frame;
pub mod render;
