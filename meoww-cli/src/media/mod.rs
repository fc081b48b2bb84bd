//! One stage a file: a picture in, a picture out.

pub mod decode;
pub mod encode;
pub mod frame;
pub mod render;
mod openh264_options;
pub mod scale;
pub mod source;
