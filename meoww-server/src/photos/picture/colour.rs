//! Colours: what the numbers in a file stand for, and the same colours in sRGB, which is how a
//! picture that says nothing is shown.

use std::io::Cursor;

use image::{ImageFormat, RgbaImage};
use moxcms::{
    Chromaticity, CicpProfile, ColorPrimaries, ColorProfile, DataColorSpace, Layout,
    MatrixCoefficients, ParsingOptions, ToneReprCurve, TransformOptions,
};
use png::{CodingIndependentCodePoints, ScaledFloat, SourceChromaticities};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Largest profile: those of printing presses have up to three megabytes.
const MAX_PROFILE_BYTES: usize = 4 * 1024 * 1024;
/// Gamma of a PNG that was written for sRGB (PNG, third edition, 11.3.2.2), which it only nears.
const SRGB_GAMMA: f32 = 0.45455;

/// The profile of a picture, if it says how its numbers are meant, in a way that can be read. `icc`
/// is the profile in the file.
pub(super) fn profile(
    upload: &[u8],
    format: ImageFormat,
    icc: Option<Vec<u8>>,
) -> Option<ColorProfile> {
    if format == ImageFormat::Png {
        return png_profile(upload, icc);
    }
    icc_profile(&icc?)
}

fn icc_profile(icc: &[u8]) -> Option<ColorProfile> {
    let bounds = ParsingOptions { max_profile_size: MAX_PROFILE_BYTES, ..Default::default() };
    ColorProfile::new_from_slice_with_options(icc, bounds).ok()
}

/// The first that there is, in the order of the standard (PNG, third edition, 4.3).
fn png_profile(upload: &[u8], icc: Option<Vec<u8>>) -> Option<ColorProfile> {
    let reader = png::Decoder::new(Cursor::new(upload)).read_info().ok()?;
    let info = reader.info();
    if let Some(profile) = info.coding_independent_code_points.and_then(cicp_profile) {
        return Some(profile);
    }
    match icc {
        Some(icc) => icc_profile(&icc),
        None if info.srgb.is_some() => None,
        None => gamma_profile(info.gama_chunk?, info.chrm_chunk),
    }
}

/// Code points of ITU-T H.273, for RGB in full range.
fn cicp_profile(code: CodingIndependentCodePoints) -> Option<ColorProfile> {
    if code.matrix_coefficients != 0 || !code.is_video_full_range_image {
        return None;
    }
    let profile = ColorProfile::new_from_cicp(CicpProfile {
        color_primaries: code.color_primaries.try_into().ok()?,
        transfer_characteristics: code.transfer_function.try_into().ok()?,
        matrix_coefficients: MatrixCoefficients::Identity,
        full_range: true,
    });
    profile.is_matrix_shaper().then_some(profile)
}

fn gamma_profile(
    gamma: ScaledFloat,
    primaries: Option<SourceChromaticities>,
) -> Option<ColorProfile> {
    let gamma = gamma.into_value();
    let mut profile = ColorProfile::new_srgb();
    profile.cicp = None;
    if (gamma - SRGB_GAMMA).abs() > 0.005 {
        // Outside of this no display or camera has ever been.
        let exponent = Some(1.0 / gamma).filter(|exponent| (0.1..10.0).contains(exponent))?;
        let curve = Some(ToneReprCurve::Parametric(vec![exponent]));
        (profile.red_trc, profile.green_trc, profile.blue_trc) =
            (curve.clone(), curve.clone(), curve);
    }
    if let Some(primaries) = primaries {
        let point = |(x, y): (ScaledFloat, ScaledFloat)| {
            // A colour without luminance is none.
            let (x, y) = (x.into_value(), y.into_value());
            ((0.0..=1.0).contains(&x) && (0.001..=1.0).contains(&y))
                .then(|| Chromaticity::new(x, y))
        };
        let (red, green, blue) =
            (point(primaries.red)?, point(primaries.green)?, point(primaries.blue)?);
        let white = point(primaries.white)?.to_xyyb();
        profile.update_rgb_colorimetry(white, ColorPrimaries { red, green, blue });
        let matrix = profile.colorant_matrix();
        let is_finite = matrix.v.iter().flatten().all(|value| value.is_finite());
        is_finite.then_some(())?;
    }
    Some(profile)
}

/// The colours of a picture in sRGB; as they are where the profile is of another kind of picture or
/// cannot be applied.
pub(super) fn to_srgb(picture: RgbaImage, profile: &ColorProfile) -> RgbaImage {
    let converted = match profile.color_space {
        DataColorSpace::Rgb => converted(profile, Layout::Rgba, picture.as_raw()),
        DataColorSpace::Gray if is_gray(&picture) => {
            let gray: Vec<_> = picture.pixels().flat_map(|pixel| [pixel[0], pixel[3]]).collect();
            converted(profile, Layout::GrayAlpha, &gray)
        }
        _ => None,
    };
    let (width, height) = picture.dimensions();
    converted.and_then(|rgba| RgbaImage::from_raw(width, height, rgba)).unwrap_or(picture)
}

fn is_gray(picture: &RgbaImage) -> bool {
    picture.pixels().all(|pixel| pixel[0] == pixel[1] && pixel[1] == pixel[2])
}

fn converted(profile: &ColorProfile, layout: Layout, pixels: &[u8]) -> Option<Vec<u8>> {
    let (srgb, options) = (ColorProfile::new_srgb(), TransformOptions::default());
    let transform = profile.create_transform_8bit(layout, &srgb, Layout::Rgba, options).ok()?;
    let mut rgba = vec![255; pixels.len() / layout.channels() * 4];
    transform.transform(pixels, &mut rgba).ok()?;
    Some(rgba)
}

/// A JPEG for print, whose four channels are inks.
pub(super) struct Inks {
    /// Cyan, magenta, yellow and black as they are in the file, in the channels of RGBA.
    pub(super) image: RgbaImage,
    /// Whether the first three are brightness and colour difference.
    is_ycck: bool,
}

impl Inks {
    /// Reads the inks of a JPEG; `None` if it is none for print. Its size was judged before.
    pub(super) fn decode(upload: &[u8]) -> Option<Self> {
        let options = DecoderOptions::default().set_strict_mode(false);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(upload), options);
        decoder.decode_headers().ok()?;
        let stored = decoder.input_colorspace()?;
        if !matches!(stored, ColorSpace::CMYK | ColorSpace::YCCK) {
            return None;
        }
        decoder.set_options(options.jpeg_set_out_colorspace(stored));
        let pixels = decoder.decode().ok()?;
        let (width, height) = decoder.dimensions()?;
        let image = RgbaImage::from_raw(width as u32, height as u32, pixels)?;
        Some(Self { image, is_ycck: stored == ColorSpace::YCCK })
    }

    /// The colours in sRGB of a picture made from `image`.
    pub(super) fn to_srgb(&self, picture: RgbaImage, profile: &ColorProfile) -> Option<RgbaImage> {
        let (width, height) = picture.dimensions();
        let mut inks = picture.into_raw();
        for pixel in inks.as_chunks_mut::<4>().0 {
            if self.is_ycck {
                *pixel = cmyk(*pixel);
            }
            // As Adobe has them and so all do: none is 255.
            *pixel = pixel.map(|ink| 255 - ink);
        }
        RgbaImage::from_raw(width, height, converted(profile, Layout::Rgba, &inks)?)
    }
}

/// The inks that YCCK stands for (JFIF's conversion to RGB, in the complement).
fn cmyk([y, cb, cr, k]: [u8; 4]) -> [u8; 4] {
    let (y, cb, cr) = (f32::from(y), f32::from(cb) - 128.0, f32::from(cr) - 128.0);
    let [red, green, blue] = [y + 1.402 * cr, y - 0.344_136 * cb - 0.714_136 * cr, y + 1.772 * cb];
    let ink = |colour: f32| 255 - colour.round() as u8;
    [ink(red), ink(green), ink(blue), k]
}
