//! The two encoder options that `openh264` has no safe call for.
#![expect(unsafe_code, reason = "ISVCEncoder::SetOption is only reachable through the raw API")]

use openh264::encoder::Encoder;
use openh264_sys2::{
    ENCODER_OPTION_BITRATE, ENCODER_OPTION_MAX_BITRATE, ENCODER_OPTION_TRACE_LEVEL, SBitrateInfo,
    SPATIAL_LAYER_0, SPATIAL_LAYER_ALL,
};

/// Keeps the encoder from writing on standard error, over the screen. Before the first picture:
/// starting up is what it talks about.
pub(super) fn silence(encoder: &mut Encoder) {
    let mut level: i32 = 0;
    // SAFETY: this option reads one C int, which outlives the call, and is allowed at any time.
    unsafe {
        encoder.raw_api().set_option(ENCODER_OPTION_TRACE_LEVEL, (&raw mut level).cast());
    }
}

/// Changes the bitrate of a running encoder, after its first picture. Says whether it took it.
pub(super) fn set_bitrate(encoder: &mut Encoder, bps: u32, max_bps: u32) -> bool {
    let info = |layer, bps| SBitrateInfo {
        iLayer: layer,
        iBitrate: i32::try_from(bps).unwrap_or(i32::MAX),
    };
    let mut max = info(SPATIAL_LAYER_0, max_bps);
    let mut target = info(SPATIAL_LAYER_ALL, bps);
    // SAFETY: these options read one SBitrateInfo each, which outlives its call; the encoder has
    // been initialised by its first picture.
    unsafe {
        let api = encoder.raw_api();
        // A target above the maximum is refused, and the maximum starts out as the first target.
        api.set_option(ENCODER_OPTION_MAX_BITRATE, (&raw mut max).cast()) == 0
            && api.set_option(ENCODER_OPTION_BITRATE, (&raw mut target).cast()) == 0
    }
}
