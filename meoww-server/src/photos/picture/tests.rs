use super::*;
use image::{ImageBuffer, Rgba};
use proptest::prelude::*;

mod colours;

const RED: Rgb<u8> = Rgb([220, 20, 20]);
const GREEN: Rgb<u8> = Rgb([20, 200, 20]);
const BLUE: Rgb<u8> = Rgb([20, 20, 220]);

fn encoded(image: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).expect("encoded");
    bytes.into_inner()
}

fn standardised(upload: &[u8]) -> RgbImage {
    let jpeg = standardise(upload).expect("a picture");
    assert_eq!(image::guess_format(&jpeg).expect("a format"), ImageFormat::Jpeg);
    let picture = image::load_from_memory(&jpeg).expect("readable").into_rgb8();
    assert_eq!(picture.dimensions(), (SIDE, SIDE));
    picture
}

/// JPEG is not exact.
fn assert_near(picture: &RgbImage, (x, y): (u32, u32), expected: Rgb<u8>) {
    let found = picture.get_pixel(x, y);
    let near = found.0.iter().zip(expected.0).all(|(a, b)| a.abs_diff(b) < 12);
    assert!(near, "{found:?} at {x},{y}, not {expected:?}");
}

/// Green above blue, between red margins left and right.
fn flag() -> RgbImage {
    RgbImage::from_fn(900, 300, |x, y| match (x, y) {
        (300..600, 0..150) => GREEN,
        (300..600, _) => BLUE,
        _ => RED,
    })
}

#[test]
fn the_middle_fills_the_picture_whatever_the_format() {
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP] {
        let picture = standardised(&encoded(flag(), format));
        for x in [10, 200, 390] {
            assert_near(&picture, (x, 20), GREEN);
            assert_near(&picture, (x, 380), BLUE);
        }
    }
}

#[test]
fn small_and_thin_images_are_taken() {
    for (width, height) in [(1, 1), (1, MAX_SIDE), (MAX_SIDE, 1), (399, 401)] {
        let image = RgbImage::from_pixel(width, height, GREEN);
        assert_near(&standardised(&encoded(image, ImageFormat::Png)), (200, 200), GREEN);
    }
}

#[test]
fn transparency_and_depth_are_flattened() {
    let clear = RgbaImage::from_pixel(50, 50, Rgba([0, 0, 0, 0]));
    assert_near(&standardised(&encoded(clear, ImageFormat::Png)), (9, 9), Rgb([255; 3]));
    let deep: ImageBuffer<image::Luma<u16>, Vec<u16>> =
        ImageBuffer::from_pixel(50, 50, image::Luma([0x8000]));
    assert_near(&standardised(&encoded(deep, ImageFormat::Png)), (9, 9), Rgb([128; 3]));
}

/// An APP1 segment with one EXIF entry, behind a JPEG's start marker.
fn with_exif(jpeg: &[u8], orientation: u8, remark: &[u8]) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    exif.extend(remark);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn a_photo_taken_sideways_is_put_upright_and_loses_its_metadata() {
    let jpeg = encoded(flag(), ImageFormat::Jpeg);
    let secret = b"48.8584 N 2.2945 E";
    for (orientation, green) in [(1, (200, 20)), (3, (200, 380)), (6, (380, 200)), (8, (20, 200))] {
        let upload = with_exif(&jpeg, orientation, secret);
        assert_near(&standardised(&upload), green, GREEN);
        let picture = standardise(&upload).expect("a picture");
        assert!(!picture.windows(4).any(|bytes| bytes == b"Exif" || bytes == &secret[..4]));
    }
}

#[test]
fn the_first_frame_of_an_animation_counts() {
    let frames = include_bytes!("animated.webp");
    assert_near(&standardised(frames), (200, 200), GREEN);
}

/// A PNG header that promises more than anybody wants to decode, and nothing behind it.
fn promising_png(width: u32, height: u32) -> Vec<u8> {
    let small = encoded(RgbImage::from_pixel(1, 1, RED), ImageFormat::Png);
    let mut png = small[..16].to_vec();
    png.extend([width.to_be_bytes(), height.to_be_bytes()].concat());
    png.extend(&small[24..29]);
    let crc = crc32(&png[12..29]);
    png.extend(crc.to_be_bytes());
    png.extend(&small[33..]);
    png
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc: u32, _| {
            if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 }
        })
    })
}

#[test]
fn size_is_judged_before_decoding() {
    for (width, height, error) in [
        (60_000, 60_000, PictureError::TooLong),
        (12_000, 2_000, PictureError::TooLong),
        (1, MAX_SIDE + 1, PictureError::TooLong),
        (8_000, 4_001, PictureError::TooManyPixels),
    ] {
        assert_eq!(standardise(&promising_png(width, height)), Err(error), "{width}x{height}");
    }
    assert!(PictureError::TooLong.to_string().contains(&MAX_SIDE.to_string()));
    let megapixels = format!("{} megapixels", MAX_PIXELS / 1_000_000);
    assert!(PictureError::TooManyPixels.to_string().contains(&megapixels));
}

#[test]
fn what_is_no_image_is_refused() {
    let png = encoded(flag(), ImageFormat::Png);
    let gif = b"GIF89a\x01\0\x01\0\0\0\0;";
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>";
    for upload in [&b""[..], b"hello", gif, svg, &png[..20], &png[..png.len() / 2]] {
        assert_eq!(standardise(upload), Err(PictureError::NotAnImage));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn damage_never_panics(
        format in prop::sample::select(vec![ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let image = RgbImage::from_fn(32, 24, |x, y| Rgb([x as u8 * 8, y as u8 * 8, 99]));
        let mut upload = encoded(image, format);
        for (at, byte) in damage {
            let at = at.index(upload.len());
            upload[at] = byte;
        }
        let _ = standardise(&upload);
    }
}
