//! One stage a file: a picture in, a picture out.

pub mod decode;
pub mod encode;
pub mod filter;
mod openh264_options;
pub mod slot;
pub mod source;
pub mod wanted;
