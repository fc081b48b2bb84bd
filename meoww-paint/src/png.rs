//! Pixels to PNG, in the filter that suits [`Deltas`](crate::deltas::Deltas).

use ::png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};

/// Higher ones take twice the time for few bytes.
const LEVEL: u8 = 6;

pub(crate) fn rgb(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgb)
}

pub(crate) fn rgba(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgba)
}

fn encode(pixels: &[u8], width: usize, height: usize, color: ColorType) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_filter(Filter::Sub);
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    let written = encoder.write_header().and_then(|mut image| image.write_image_data(pixels));
    // A vector takes every byte, and there are as many pixels as the header says.
    debug_assert!(written.is_ok(), "{written:?}");
    out
}
