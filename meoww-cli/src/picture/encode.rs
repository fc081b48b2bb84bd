//! Pictures to H.264 (ITU-T H.264, constrained baseline, level 3.1).

use std::time::Duration;

use meoww_paint::Frame;
use openh264::{
    OpenH264API, Timestamp,
    encoder::{
        BitRate, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level, Profile,
        RateControlMode, UsageType, VuiConfig,
    },
    formats::YUVSlices,
};

use super::openh264_options;

/// A slice fits one RTP packet of 1200 bytes, so that a lost packet costs one slice.
const MAX_SLICE_BYTES: u32 = 1150;
/// Lower, the encoder only blurs.
const MIN_BPS: u32 = 40_000;
/// More than any picture that is sent is worth.
const MAX_BPS: u32 = 4_000_000;

/// One coded picture.
#[derive(Debug)]
pub struct Encoded {
    /// Annex B byte stream: NAL units with start codes.
    pub data: Vec<u8>,
    /// Whether it can be decoded without any before it (IDR).
    pub key: bool,
}

/// Codes pictures of any size; a new size begins with a key frame.
pub struct Encoder {
    running: Option<Running>,
    target_bps: u32,
}

/// The codec for one size.
struct Running {
    codec: openh264::encoder::Encoder,
    size: (usize, usize),
    bps: u32,
}

impl Encoder {
    /// An encoder that aims at `bps` bits a second.
    pub fn new(bps: u32) -> Self {
        Self { running: None, target_bps: bps.clamp(MIN_BPS, MAX_BPS) }
    }

    /// Aims at `bps` bits a second from the next picture on.
    pub fn set_bitrate(&mut self, bps: u32) {
        self.target_bps = bps.clamp(MIN_BPS, MAX_BPS);
    }

    /// Codes one picture, taken `at` (since any fixed moment, growing); with `key`, as a key frame.
    /// `None` when the codec has nothing to send for it.
    ///
    /// # Errors
    ///
    /// What the codec says. The next picture starts afresh.
    pub fn encode(
        &mut self,
        frame: &Frame,
        at: Duration,
        key: bool,
    ) -> Result<Option<Encoded>, openh264::Error> {
        let size = (frame.width(), frame.height());
        let mut running = match self.running.take().filter(|running| running.size == size) {
            Some(running) => running,
            None => Running::start(size, self.target_bps)?,
        };
        running.aim(self.target_bps);
        let encoded = running.encode(frame, at, key)?;
        self.running = Some(running);
        Ok(encoded)
    }
}

impl Running {
    fn start(size: (usize, usize), bps: u32) -> Result<Self, openh264::Error> {
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .profile(Profile::Baseline)
            .level(Level::Level_3_1)
            .rate_control_mode(RateControlMode::Bitrate)
            .bitrate(BitRate::from_bps(bps))
            .max_frame_rate(FrameRate::from_hz(30.0))
            // Skipping froze the video; too many bits are the better evil.
            .skip_frames(false)
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            // Key frames come when they are asked for: a fast picture is no reason for one.
            .scene_change_detect(false)
            .max_slice_len(MAX_SLICE_BYTES)
            // The colours of a frame. Where a stream says nothing, players guess by its size.
            .vui(VuiConfig::bt601())
            .num_threads(1);
        let mut codec =
            openh264::encoder::Encoder::with_api_config(OpenH264API::from_source(), config)?;
        openh264_options::silence(&mut codec);
        Ok(Self { codec, size, bps })
    }

    /// Small changes are not worth a rate control that starts over.
    fn aim(&mut self, bps: u32) {
        if bps.abs_diff(self.bps) > self.bps / 16
            && openh264_options::set_bitrate(&mut self.codec, bps, MAX_BPS)
        {
            self.bps = bps;
        }
    }

    fn encode(
        &mut self,
        frame: &Frame,
        at: Duration,
        key: bool,
    ) -> Result<Option<Encoded>, openh264::Error> {
        if key {
            self.codec.force_intra_frame();
        }
        let [y, u, v] = frame.planes();
        let (width, height) = self.size;
        let picture = YUVSlices::new((y, u, v), (width, height), (width, width / 2, width / 2));
        let millis = u64::try_from(at.as_millis()).unwrap_or(u64::MAX);
        let stream = self.codec.encode_at(&picture, Timestamp::from_millis(millis))?;
        let (data, key) = (stream.to_vec(), stream.frame_type() == FrameType::IDR);
        Ok((!data.is_empty()).then_some(Encoded { data, key }))
    }
}
