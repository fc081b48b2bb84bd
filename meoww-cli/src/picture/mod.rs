//! One stage a file: a picture in, a picture out.

pub mod decode;
pub mod encode;
mod openh264_options;
pub mod slot;
pub mod source;
