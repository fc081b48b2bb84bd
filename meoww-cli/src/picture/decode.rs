//! H.264 to pictures. What comes in was made by a stranger.

use h264_reader::nal::{
    Nal, RefNal, UnitType,
    sps::{FrameMbsFlags, SeqParameterSet},
};
use meoww_paint::Frame;
use openh264::{
    OpenH264API,
    decoder::{DecoderConfig, Flush},
    formats::YUVSource,
};
use thiserror::Error;

/// 1920x1080 in macroblocks of 16x16. Larger pictures are refused before the codec takes memory for
/// them.
const MAX_MACROBLOCKS: (u32, u32) = (120, 68);

/// Why a picture could not be decoded. Ask the sender for a key frame.
#[derive(Debug, Error)]
pub enum DecodeError {
    /// Damaged, or a picture before it is missing.
    #[error("the picture cannot be decoded: {0}")]
    Codec(#[from] openh264::Error),
    /// Larger than 1920x1080, or a parameter set that does not say.
    #[error("the picture is too large or its size is unreadable")]
    Size,
}

/// Decodes one stream.
pub struct Decoder {
    codec: openh264::decoder::Decoder,
}

impl Decoder {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub fn new() -> Result<Self, DecodeError> {
        // Without this every call would wait for a picture more than it was given.
        let config = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let codec =
            openh264::decoder::Decoder::with_api_config(OpenH264API::from_source(), config)?;
        Ok(Self { codec })
    }

    /// Decodes one access unit (Annex B). `None` when it holds no picture.
    ///
    /// # Errors
    ///
    /// When it is damaged, does not follow from those before it, or is too large.
    pub fn decode(&mut self, unit: &[u8]) -> Result<Option<Frame>, DecodeError> {
        if !nal_units(unit).all(acceptable) {
            return Err(DecodeError::Size);
        }
        let Some(picture) = self.codec.decode(unit)? else {
            return Ok(None);
        };
        let (width, height) = picture.dimensions();
        let (y, u, v) = picture.strides();
        let planes = [picture.y(), picture.u(), picture.v()];
        Frame::from_planes(width, height, planes, [y, u, v]).ok_or(DecodeError::Size).map(Some)
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

/// Not a sequence parameter set that announces too large a picture, or is unreadable, nor one of a
/// scalable stream, which nobody negotiated.
fn acceptable(unit: &[u8]) -> bool {
    let nal = RefNal::new(unit, &[], true);
    match nal.header().map(|header| header.nal_unit_type()) {
        Ok(UnitType::SeqParameterSet) => {
            SeqParameterSet::from_bits(nal.rbsp_bits()).is_ok_and(|sps| {
                let rows = sps.pic_height_in_map_units_minus1;
                let interlaced = matches!(sps.frame_mbs_flags, FrameMbsFlags::Fields { .. });
                sps.pic_width_in_mbs_minus1 < MAX_MACROBLOCKS.0
                    && rows < if interlaced { MAX_MACROBLOCKS.1 / 2 } else { MAX_MACROBLOCKS.1 }
            })
        }
        Ok(UnitType::SubsetSeqParameterSet) => false,
        Ok(_) | Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openh264::{
        encoder::{EncoderConfig, UsageType},
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

    #[test]
    fn too_large_is_refused_before_it_is_decoded() {
        let frame = Frame::black(2048, 1088);
        let [y, u, v] = frame.planes();
        let config = EncoderConfig::new().usage_type(UsageType::CameraVideoRealTime);
        let api = OpenH264API::from_source();
        let mut encoder = openh264::encoder::Encoder::with_api_config(api, config).unwrap();
        let picture = YUVSlices::new((y, u, v), (2048, 1088), (2048, 1024, 1024));
        let data = encoder.encode(&picture).unwrap().to_vec();
        let refused = Decoder::new().unwrap().decode(&data);
        assert!(matches!(refused, Err(DecodeError::Size)), "{refused:?}");
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
