//! Pixels to PNG, in the filter that suits [`Deltas`](crate::deltas::Deltas).

use ::png::{BitDepth, ColorType, DeflateCompression, Encoder, Filter};

use crate::palette::Rgb;

/// Higher ones take twice the time for few bytes.
const LEVEL: u8 = 6;

pub(crate) fn rgb(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgb)
}

pub(crate) fn rgba(pixels: &[u8], width: usize, height: usize) -> Vec<u8> {
    encode(pixels, width, height, ColorType::Rgba)
}

/// Each pixel is its place in `palette`, whose first colour is transparent.
pub(crate) fn indexed(pixels: &[u8], palette: &[Rgb], width: usize, height: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(ColorType::Indexed);
    encoder.set_palette(palette.as_flattened());
    encoder.set_trns(&[0][..]);
    encoder.set_filter(Filter::NoFilter);
    write(encoder, pixels);
    out
}

fn encode(pixels: &[u8], width: usize, height: usize, color: ColorType) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, width as u32, height as u32);
    encoder.set_color(color);
    encoder.set_filter(Filter::Sub);
    write(encoder, pixels);
    out
}

fn write(mut encoder: Encoder<'_, &mut Vec<u8>>, pixels: &[u8]) {
    encoder.set_depth(BitDepth::Eight);
    encoder.set_deflate_compression(DeflateCompression::Level(LEVEL));
    let written = encoder.write_header().and_then(|mut image| image.write_image_data(pixels));
    // A vector takes every byte, and there are as many pixels as the header says.
    debug_assert!(written.is_ok(), "{written:?}");
}
