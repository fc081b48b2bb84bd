//! Whatever a user uploaded becomes a profile picture: upright, square, small, in sRGB, and without a
//! word of what its file said beside the pixels (place, time, camera).

mod colour;

use std::io::Cursor;

use image::{
    DynamicImage, GenericImageView, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage,
    Rgba, RgbaImage,
    codecs::jpeg::JpegEncoder,
    imageops::{self, FilterType},
    metadata::Orientation,
};
use moxcms::DataColorSpace;

use self::colour::Inks;

/// Width and height of a profile picture, in pixels.
const SIDE: u32 = 400;
/// JPEG quality of a profile picture: about 40 KB, without visible blocks.
const QUALITY: u8 = 85;
/// Longest side of an upload, in pixels.
const MAX_SIDE: u32 = 10_000;
/// Most pixels of an upload: more than a camera gets into 5 MB, and 256 MB decoded at worst.
const MAX_PIXELS: u64 = 32_000_000;
/// Most memory a decoder may take.
const MAX_DECODED_BYTES: u64 = 8 * MAX_PIXELS;

/// Why an upload became no picture; the text is for the person who chose it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PictureError {
    /// By its content it is none of the formats taken, or it is damaged.
    #[error("Only image files are allowed (jpg, jpeg, png, webp).")]
    NotAnImage,
    /// It would take too much memory to look at.
    #[error("Image too large. Maximum is 32 megapixels.")]
    TooManyPixels,
    /// Likewise, by one side.
    #[error("Image too long. Maximum is 10000 pixels on a side.")]
    TooLong,
}

/// Makes a JPEG of 400 by 400 pixels from the middle of a JPEG, PNG or WebP, of which the first
/// frame counts. What it is goes by its content.
pub(crate) fn standardise(upload: &[u8]) -> Result<Vec<u8>, PictureError> {
    let (middle, orientation) = decode(upload)?;
    let mut picture = DynamicImage::ImageRgb8(on_white(&middle));
    picture.apply_orientation(orientation);
    let mut jpeg = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut jpeg, QUALITY);
    picture.write_with_encoder(encoder).expect("a small RGB image is always encodable");
    Ok(jpeg)
}

/// The middle in sRGB, as small as a profile picture, and how it lies.
fn decode(upload: &[u8]) -> Result<(RgbaImage, Orientation), PictureError> {
    let mut reader = ImageReader::new(Cursor::new(upload))
        .with_guessed_format()
        .map_err(|_| PictureError::NotAnImage)?;
    // Named, as another crate of a build may turn on formats that nobody here bargained for.
    let Some(format @ (ImageFormat::Jpeg | ImageFormat::Png | ImageFormat::WebP)) = reader.format()
    else {
        return Err(PictureError::NotAnImage);
    };
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODED_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|_| PictureError::NotAnImage)?;
    let (width, height) = decoder.dimensions();
    if width.max(height) > MAX_SIDE {
        return Err(PictureError::TooLong);
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(PictureError::TooManyPixels);
    }
    // Orientation and profile are courtesies: where they cannot be read, the picture stays as it is.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let profile = colour::profile(upload, format, decoder.icc_profile().ok().flatten());
    if let Some(profile) = &profile
        && profile.color_space == DataColorSpace::Cmyk
        && let Some(inks) = Inks::decode(upload)
        && let Some(middle) = inks.to_srgb(fill(&inks.image), profile)
    {
        return Ok((middle, orientation));
    }
    let image = DynamicImage::from_decoder(decoder).map_err(|_| PictureError::NotAnImage)?;
    let middle = fill(&image);
    let middle = match &profile {
        Some(profile) => colour::to_srgb(middle, profile),
        None => middle,
    };
    Ok((middle, orientation))
}

/// Cuts before it scales: scaled first, a strip of one by ten thousand pixels would take gigabytes.
fn fill(image: &impl GenericImageView<Pixel = Rgba<u8>>) -> RgbaImage {
    let side = image.width().min(image.height());
    let (left, top) = ((image.width() - side) / 2, (image.height() - side) / 2);
    let middle = imageops::crop_imm(image, left, top, side, side);
    imageops::resize(&*middle, SIDE, SIDE, FilterType::CatmullRom)
}

/// JPEG has no transparency.
fn on_white(picture: &RgbaImage) -> RgbImage {
    RgbImage::from_fn(picture.width(), picture.height(), |x, y| {
        let [red, green, blue, alpha] = picture.get_pixel(x, y).0.map(u16::from);
        let over = |colour: u16| ((colour * alpha + 255 * (255 - alpha)) / 255) as u8;
        Rgb([over(red), over(green), over(blue)])
    })
}

#[cfg(test)]
mod tests;
