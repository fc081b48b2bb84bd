//! One stage a file: a picture in, a picture out.

pub(crate) mod clock;
pub mod decode;
pub mod encode;
mod estimate;
pub mod frame;
mod openh264_options;
mod receive;
pub mod render;
pub mod scale;
mod send;
pub mod source;
pub mod transport;
