//! H.264 to pictures. What comes in was made by a stranger.

use h264_reader::nal::{
    Nal, RefNal, UnitType,
    sps::{FrameMbsFlags, Level, SeqParameterSet},
};
use meoww_paint::{CellShape, Colorimetry, Frame, Matrix, Range};
use openh264::{
    OpenH264API,
    decoder::{DecoderConfig, Flush},
    formats::YUVSource,
};
use thiserror::Error;

/// What is decoded at most, whatever a stream claims: level 5 (ITU-T H.264, table A-1), which is
/// also offered. That is 2560x1920 or 1920x2560; larger pictures are refused before the codec takes
/// memory for them.
pub(crate) const LEVEL_IDC: u8 = 50;
/// MaxFS and MaxDpbMbs of that level, in macroblocks of 16x16.
const MAX_FRAME: u32 = 22_080;
const MAX_REFERENCES: u32 = 110_400;
/// No side is longer than sqrt(8 * MaxFS) macroblocks (annex A.3.1).
const MAX_SIDE: u32 = 420;
/// Sequence parameter sets in one access unit: one is usual, and a decoder knows 32 (section 7.4.2.1.1).
const MAX_SETS: usize = 32;
/// Where a sequence parameter set says its level: after the NAL header, profile and constraints.
const LEVEL_BYTE: usize = 3;

/// Why a picture could not be decoded. Ask the sender for a key frame.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Damaged, or a picture before it is missing.
    #[error("the picture cannot be decoded: {0}")]
    Codec(#[from] openh264::Error),
    /// More than level 5 allows. A key frame would be as large.
    #[error("the picture of {width}x{height} is too large")]
    TooLarge {
        /// In pixels.
        width: u32,
        /// In pixels.
        height: u32,
    },
    /// A parameter set that is damaged, or of a kind that was not negotiated.
    #[error("the parameter set is unreadable")]
    Unreadable,
}

/// Decodes one stream.
pub struct Decoder {
    codec: openh264::decoder::Decoder,
    look: Look,
}

/// How the samples of a stream are meant to be seen, as its newest parameter set says (ITU-T H.264,
/// annex E), and as cameras have it where that says nothing.
#[derive(Clone, Copy)]
struct Look {
    colorimetry: Colorimetry,
    pixel: CellShape,
}

impl Default for Look {
    fn default() -> Self {
        Self { colorimetry: Colorimetry::default(), pixel: CellShape::SQUARE }
    }
}

impl Look {
    fn of(sps: &SeqParameterSet) -> Self {
        let Some(vui) = &sps.vui_parameters else { return Self::default() };
        let aspect = vui.aspect_ratio_info.as_ref().and_then(|aspect| aspect.get());
        let pixel = aspect.and_then(|(width, height)| CellShape::new(width, height));
        let Some(signal) = &vui.video_signal_type else {
            return Self { pixel: pixel.unwrap_or(CellShape::SQUARE), ..Self::default() };
        };
        let range = if signal.video_full_range_flag { Range::Full } else { Range::Limited };
        let matrix = match signal.colour_description.as_ref() {
            Some(colours) if colours.matrix_coefficients == BT709 => Matrix::Bt709,
            Some(_) | None => Matrix::Bt601,
        };
        let colorimetry = Colorimetry { matrix, range };
        Self { colorimetry, pixel: pixel.unwrap_or(CellShape::SQUARE) }
    }
}

/// The value of matrix_coefficients for BT.709 (ITU-T H.264, table E-5).
const BT709: u8 = 1;

impl Decoder {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub fn new() -> Result<Self, DecodeError> {
        // Without this every call would wait for a picture more than it was given.
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let codec =
            openh264::decoder::Decoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { codec, look: Look::default() })
    }

    /// Decodes one access unit (Annex B). `None` when it holds no picture.
    ///
    /// # Errors
    ///
    /// When it is damaged, does not follow from those before it, or is too large.
    pub fn decode(&mut self, unit: &[u8]) -> Result<Option<Frame>, DecodeError> {
        let mut sets = 0;
        for nal in nal_units(unit) {
            if let Some(look) = check(nal)? {
                self.look = look;
                sets += 1;
            }
            if sets > MAX_SETS {
                return Err(DecodeError::Unreadable);
            }
        }
        let Some(picture) = self.codec.decode(unit)? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let (y, u, v) = picture.strides();
        let planes = [picture.y(), picture.u(), picture.v()];
        let frame = Frame::from_planes(width, height, planes, [y, u, v]);
        let frame = frame.ok_or(DecodeError::Unreadable)?;
        Ok(Some(frame.with_colorimetry(self.look.colorimetry).with_pixel(self.look.pixel)))
    }
}

/// The NAL units of an Annex B byte stream (ITU-T H.264, annex B.1), without their start codes.
fn nal_units(stream: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(stream);
    std::iter::from_fn(move || {
        let stream = rest?;
        let end = stream.windows(3).position(|bytes| bytes == [0, 0, 1]);
        rest = end.map(|end| &stream[end + 3..]);
        Some(&stream[..end.unwrap_or(stream.len())])
    })
    .map(|unit| {
        let zeros = unit.iter().rev().take_while(|byte| **byte == 0).count();
        &unit[..unit.len() - zeros]
    })
    .filter(|unit| !unit.is_empty())
}

/// Refuses a sequence parameter set that announces too large a picture, or is unreadable, and one of
/// a scalable stream, which is never negotiated. Returns what else a parameter set says.
fn check(unit: &[u8]) -> Result<Option<Look>, DecodeError> {
    let nal = RefNal::new(unit, &[], true);
    match nal.header().map(|header| header.nal_unit_type()) {
        Ok(UnitType::SeqParameterSet) => check_parameters(unit).map(Some),
        Ok(UnitType::SubsetSeqParameterSet) => Err(DecodeError::Unreadable),
        Ok(_) | Err(_) => Ok(None),
    }
}

fn check_parameters(unit: &[u8]) -> Result<Look, DecodeError> {
    // Many encoders name the level that was negotiated instead of the one their pictures have; the
    // reader holds pictures to what it finds there. The highest level lets it read them all.
    let mut unit = unit.to_vec();
    *unit.get_mut(LEVEL_BYTE).ok_or(DecodeError::Unreadable)? = Level::L6_2.level_idc();
    let nal = RefNal::new(&unit, &[], true);
    let sps = SeqParameterSet::from_bits(nal.rbsp_bits()).map_err(|_| DecodeError::Unreadable)?;
    let (width, height) = sps.pixel_dimensions().map_err(|_| DecodeError::Unreadable)?;
    let fields = matches!(sps.frame_mbs_flags, FrameMbsFlags::Fields { .. });
    let columns = sps.pic_width_in_mbs();
    let rows = sps.pic_height_in_map_units().saturating_mul(if fields { 2 } else { 1 });
    let frame = columns.saturating_mul(rows);
    let references = frame.saturating_mul(sps.max_num_ref_frames);
    let fits = frame <= MAX_FRAME
        && columns.max(rows) <= MAX_SIDE
        && references <= MAX_REFERENCES.max(frame);
    if fits { Ok(Look::of(&sps)) } else { Err(DecodeError::TooLarge { width, height }) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openh264::{
        encoder::{EncoderConfig, UsageType, VuiConfig},
        formats::YUVSlices,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::picture::encode::Encoder;

    fn coded(width: usize, height: usize) -> Vec<u8> {
        let frame = Frame::black(width, height);
        let coded = Encoder::new(400_000).encode(&frame, Duration::ZERO, true).unwrap();
        coded.unwrap().data
    }

    /// A key frame straight from openh264, which names the level its size needs.
    fn coded_by_openh264(width: usize, height: usize) -> Vec<u8> {
        let frame = Frame::black(width, height);
        let [y, u, v] = frame.planes();
        let config = EncoderConfig::new().usage_type(UsageType::CameraVideoRealTime);
        let api = OpenH264API::from_source();
        let mut encoder = openh264::encoder::Encoder::with_api_config(api, config).unwrap();
        let strides = (width, width / 2, width / 2);
        encoder.encode(&YUVSlices::new((y, u, v), (width, height), strides)).unwrap().to_vec()
    }

    fn size(data: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
        let picture = Decoder::new().unwrap().decode(data)?;
        Ok(picture.map(|picture| (picture.width(), picture.height())))
    }

    /// Upright phones, cinema screens and tall windows: levels bound the area and not each side.
    #[test]
    fn pictures_of_level_5_decode_whatever_their_shape() {
        for shape in [(720, 1280), (1080, 1920), (1920, 1200), (2560, 1440), (1440, 2560)] {
            assert_eq!(size(&coded_by_openh264(shape.0, shape.1)).unwrap(), Some(shape));
        }
    }

    /// As encoders in hardware do, which write what was negotiated.
    #[test]
    fn a_level_that_is_too_low_for_the_picture_is_not_believed() {
        let mut data = coded_by_openh264(1080, 1920);
        let sps =
            data.windows(5).position(|bytes| bytes[..4] == [0, 0, 0, 1] && bytes[4] & 31 == 7);
        data[sps.unwrap() + 4 + LEVEL_BYTE] = 31;
        assert_eq!(size(&data).unwrap(), Some((1080, 1920)));
    }

    #[test]
    fn too_large_is_refused_before_it_is_decoded() {
        // 164 * 135 = 22,140 macroblocks, 60 more than level 5 has.
        let refused = size(&coded_by_openh264(2624, 2160));
        let expected = matches!(refused, Err(DecodeError::TooLarge { width: 2624, height: 2160 }));
        assert!(expected, "{refused:?}");
    }

    /// Colours as the encoder was told to name them, against those of our own pictures.
    #[test]
    fn colours_are_those_that_the_stream_names() {
        let look = |vui: Option<VuiConfig>| {
            let frame = Frame::black(320, 240);
            let [y, u, v] = frame.planes();
            let config = EncoderConfig::new().usage_type(UsageType::CameraVideoRealTime);
            let config = vui.map_or(config, |vui| config.vui(vui));
            let api = OpenH264API::from_source();
            let mut encoder = openh264::encoder::Encoder::with_api_config(api, config).unwrap();
            let picture = YUVSlices::new((y, u, v), (320, 240), (320, 160, 160));
            let data = encoder.encode(&picture).unwrap().to_vec();
            Decoder::new().unwrap().decode(&data).unwrap().unwrap().colorimetry()
        };
        let colours = |matrix, range| Colorimetry { matrix, range };
        assert_eq!(look(None), colours(Matrix::Bt601, Range::Limited));
        let bt601 = VuiConfig::bt601();
        assert_eq!(look(Some(bt601)), colours(Matrix::Bt601, Range::Limited));
        assert_eq!(look(Some(bt601.full_range(true))), colours(Matrix::Bt601, Range::Full));
        assert_eq!(look(Some(VuiConfig::bt709())), colours(Matrix::Bt709, Range::Limited));
        assert_eq!(look(Some(VuiConfig::bt709_full())), colours(Matrix::Bt709, Range::Full));
    }

    /// Our own say so, too: a browser would guess by the size.
    #[test]
    fn our_own_pictures_name_their_colours() {
        let data = coded(320, 240);
        let sps = nal_units(&data).find(|unit| unit[0] & 31 == 7).unwrap();
        let nal = RefNal::new(sps, &[], true);
        let sps = SeqParameterSet::from_bits(nal.rbsp_bits()).unwrap();
        let signal = sps.vui_parameters.unwrap().video_signal_type.unwrap();
        assert!(!signal.video_full_range_flag);
        // SMPTE 170M, which is BT.601 with 525 lines (table E-5).
        assert_eq!(signal.colour_description.unwrap().matrix_coefficients, 6);
    }

    #[test]
    fn a_key_frame_decodes_alone() {
        let frame = Decoder::new().unwrap().decode(&coded(320, 240)).unwrap().unwrap();
        assert_eq!((frame.width(), frame.height()), (320, 240));
    }

    proptest! {
        #[test]
        fn damage_never_panics_and_a_key_frame_heals(
            at in any::<prop::sample::Index>(), with in any::<u8>(), cut in any::<prop::sample::Index>(),
            noise in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let whole = coded(160, 120);
            let mut damaged = whole.clone();
            damaged[at.index(whole.len())] ^= with;
            damaged.truncate(cut.index(whole.len()));
            let mut decoder = Decoder::new().unwrap();
            let _ = decoder.decode(&damaged);
            let _ = decoder.decode(&noise);
            let _ = decoder.decode(&[&[0, 0, 0, 1, 0x67][..], &noise].concat());
            let healed = (0..3).any(|_| matches!(decoder.decode(&whole), Ok(Some(_))));
            prop_assert!(healed);
        }
    }
}
