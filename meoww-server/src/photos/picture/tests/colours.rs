//! Colours against those that LittleCMS 2.16 (by Pillow) makes of the same numbers and profiles.

use std::io::Write;

use image::{
    ExtendedColorType, GrayImage, ImageEncoder,
    codecs::{jpeg::JpegEncoder, png::PngEncoder, webp::WebPEncoder},
};

use super::*;

/// The primaries of Display P3 with sRGB's curve.
const WIDE: &[u8] = include_bytes!("../samples/wide.icc");
/// Gray without a curve.
const LINEAR_GRAY: &[u8] = include_bytes!("../samples/gray.icc");
/// Four quarters of ink, and a table of 2^4 points that says how they look.
const INKS: &[u8] = include_bytes!("../samples/cmyk.jpg");

/// What LittleCMS makes of numbers in P3; the second is the red that CSS Color 4 gives as an example.
const WIDE_COLOURS: [([u8; 3], [u8; 3]); 6] = [
    ([220, 40, 41], [240, 0, 23]),
    ([234, 51, 35], [255, 0, 0]),
    ([40, 220, 60], [0, 224, 0]),
    ([60, 50, 200], [62, 50, 208]),
    ([128, 128, 128], [128, 128, 128]),
    ([200, 150, 120], [209, 147, 115]),
];

fn with_profile(
    mut encoder: impl ImageEncoder,
    icc: &[u8],
    pixels: &[u8],
    (width, height): (u32, u32),
    kind: ExtendedColorType,
) {
    encoder.set_icc_profile(icc.to_vec()).expect("a profile");
    encoder.write_image(pixels, width, height, kind).expect("encoded");
}

/// The same picture in every format, with a profile.
fn in_every_format(image: &RgbImage, icc: &[u8]) -> [Vec<u8>; 3] {
    let (pixels, size, kind) = (image.as_raw(), image.dimensions(), ExtendedColorType::Rgb8);
    let [mut jpeg, mut png, mut webp] = [const { Vec::new() }; 3];
    let fine = JpegEncoder::new_with_quality(&mut jpeg, 100);
    with_profile(fine, icc, pixels, size, kind);
    with_profile(PngEncoder::new(&mut png), icc, pixels, size, kind);
    with_profile(WebPEncoder::new_lossless(&mut webp), icc, pixels, size, kind);
    [jpeg, png, webp]
}

fn assert_close(picture: &RgbImage, at: (u32, u32), expected: [u8; 3]) {
    let found = picture.get_pixel(at.0, at.1).0;
    let close = found.iter().zip(expected).all(|(a, b)| a.abs_diff(b) <= 4);
    assert!(close, "{found:?} at {at:?}, not {expected:?}");
}

/// A PNG with chunks of its own behind its header.
fn png_with(image: impl Into<DynamicImage>, chunks: &[(&[u8; 4], &[u8])]) -> Vec<u8> {
    let png = encoded(image, ImageFormat::Png);
    let mut with = png[..33].to_vec();
    for (name, data) in chunks {
        let named = [&name[..], data].concat();
        with.write_all(&(data.len() as u32).to_be_bytes()).expect("memory");
        with.write_all(&named).expect("memory");
        with.write_all(&crc32(&named).to_be_bytes()).expect("memory");
    }
    [&with, &png[33..]].concat()
}

/// A patch for each of `WIDE_COLOURS`, two in a row, of the numbers in the file.
fn patches() -> RgbImage {
    RgbImage::from_fn(60, 60, |x, y| Rgb(WIDE_COLOURS[(y / 20 * 2 + x / 30) as usize].0))
}

/// Whether the patches look as they should, or as they are stored.
fn assert_patches(upload: &[u8], are_converted: bool) {
    let picture = standardised(upload);
    for (n, (stored, shown)) in WIDE_COLOURS.into_iter().enumerate() {
        let at = (100 + n as u32 % 2 * 200, 67 + n as u32 / 2 * 133);
        assert_close(&picture, at, if are_converted { shown } else { stored });
    }
}

#[test]
fn profiles_are_applied_in_every_format() {
    for upload in in_every_format(&patches(), WIDE) {
        assert_patches(&upload, true);
    }
}

#[test]
fn gray_has_profiles_too() {
    for (stored, shown) in [(13, 63), (55, 128), (128, 188), (200, 229)] {
        let image = GrayImage::from_pixel(40, 40, image::Luma([stored]));
        let mut png = Vec::new();
        let kind = ExtendedColorType::L8;
        with_profile(PngEncoder::new(&mut png), LINEAR_GRAY, image.as_raw(), (40, 40), kind);
        assert_close(&standardised(&png), (200, 200), [shown; 3]);
    }
}

#[test]
fn inks_are_seen_as_their_profile_says() {
    let at = [(90, 90), (310, 90), (90, 310), (310, 310)];
    let picture = standardised(INKS);
    let shown = [[94, 192, 239], [243, 158, 124], [242, 221, 148], [177, 164, 163]];
    for (at, shown) in at.into_iter().zip(shown) {
        assert_close(&picture, at, shown);
    }
    // The same numbers, said to be YCCK in the last byte of the Adobe segment.
    let mut ycck = INKS.to_vec();
    let adobe = ycck.windows(5).position(|bytes| bytes == b"Adobe").expect("a segment");
    ycck[adobe + 11] = 2;
    let picture = standardised(&ycck);
    let shown = [[124, 189, 91], [120, 64, 1], [137, 92, 21], [87, 94, 1]];
    for (at, shown) in at.into_iter().zip(shown) {
        assert_near(&picture, at, Rgb(shown));
    }
}

/// Expected by the formulas of PNG, third edition, 13.13, and of sRGB.
#[test]
fn what_a_png_says_in_chunks_counts() {
    let image = RgbImage::from_pixel(40, 40, Rgb([128; 3]));
    let gamma = |value: u32| value.to_be_bytes();
    for (value, shown) in [(100_000, 188), (55_556, 145), (45_455, 128)] {
        let png = png_with(image.clone(), &[(b"gAMA", &gamma(value))]);
        assert_close(&standardised(&png), (200, 200), [shown; 3]);
    }
    // P3 by its primaries, and by its code point (12, with the curve of sRGB, 13).
    let points = [31_270, 32_900, 68_000, 32_000, 26_500, 69_000, 15_000, 6_000];
    let points: Vec<u8> = points.into_iter().flat_map(u32::to_be_bytes).collect();
    let srgb_curve = gamma(45_455);
    let primaries: &[(&[u8; 4], &[u8])] = &[(b"gAMA", &srgb_curve), (b"cHRM", &points)];
    let code: &[(&[u8; 4], &[u8])] = &[(b"cICP", &[12, 13, 0, 1])];
    for chunks in [primaries, code] {
        assert_patches(&png_with(patches(), chunks), true);
    }
    // sRGB is said to be sRGB, whatever else stands there.
    let chunks = [(b"sRGB", &[0][..]), (b"gAMA", &gamma(100_000)), (b"cHRM", &points)];
    assert_patches(&png_with(patches(), &chunks), false);
}

#[test]
fn a_profile_that_makes_no_sense_is_not_there() {
    let image = RgbImage::from_pixel(40, 40, Rgb([220, 40, 41]));
    let large = [WIDE, &vec![0; 4 << 20]].concat();
    for icc in [LINEAR_GRAY, b"", b"profile", &WIDE[..300], &large] {
        let [jpeg, ..] = in_every_format(&image, icc);
        assert_close(&standardised(&jpeg), (200, 200), [220, 40, 41]);
    }
    let zero = [0; 4];
    let line = [0_u32; 8].map(u32::to_be_bytes).concat();
    for chunks in [
        &[(b"gAMA", &zero[..])][..],
        &[(b"gAMA", &45_455_u32.to_be_bytes()[..]), (b"cHRM", &line)],
        &[(b"cICP", &[0, 0, 0, 1])],
        &[(b"cICP", &[9, 16, 0, 0])],
        &[(b"cICP", &[255, 255, 0, 1])],
    ] {
        let png = png_with(image.clone(), chunks);
        assert_close(&standardised(&png), (200, 200), [220, 40, 41]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn damaged_profiles_never_panic(
        which in 0..3_usize,
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..20),
    ) {
        let icc = [WIDE, LINEAR_GRAY, INKS][which];
        let mut icc = icc.to_vec();
        for (at, byte) in damage {
            let at = at.index(icc.len());
            icc[at] = byte;
        }
        if which == 2 {
            let _ = standardise(&icc);
        } else {
            let image = RgbImage::from_pixel(8, 8, RED);
            for upload in in_every_format(&image, &icc) {
                standardise(&upload).expect("the picture is whole");
            }
        }
    }
}
