//! Opus (RFC 6716): mono, 48 kHz, frames of 20 ms out; packets of others, of any shape, are decoded to
//! mono, too.

use bytes::Bytes;
use opusic_c::{Application, Bitrate, Channels, ErrorCode, InbandFec, SampleRate};

use super::{SoundError, level, room::MAX_OPUS_BYTES};

/// Samples in one frame that is sent: 20 ms.
pub(crate) const FRAME_SAMPLES: usize = 960;
/// The longest that one packet can be, in samples: 120 ms (RFC 6716, section 3.2.5).
pub(crate) const MAX_PACKET_SAMPLES: usize = 5_760;
/// Concealment comes in steps of 2.5 ms.
pub(crate) const STEP_SAMPLES: usize = 120;

/// Bits a second: below, speech suffers; above, it gains nothing.
const MIN_BPS: u32 = 12_000;
const MAX_BPS: u32 = 40_000;
const START_BPS: u32 = 32_000;
/// Loss in percent that frames are always protected against: it is unknown when it begins. At 32 kbit/s
/// that costs 0.004 of STOI without loss, and gains 0.02 to 0.07 with it.
const MIN_LOSS: u8 = 10;
const MAX_LOSS: u8 = 30;
/// Of 0 to 10: from here on, more work for the encoder is hardly heard.
const COMPLEXITY: u8 = 5;
/// A packet of so many bytes says no more than that there is silence (DTX), and need not be sent.
const SILENCE_BYTES: usize = 2;
/// Only sound that is softer, in dBFS, is left out: to the codec, a tone that stays is background noise.
const SILENCE: f32 = -50.0;

/// Encodes one's own sound.
pub(crate) struct Encoder {
    opus: opusic_c::Encoder,
    bps: u32,
    loss: u8,
    is_silent: bool,
}

impl Encoder {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub(crate) fn new() -> Result<Self, SoundError> {
        let start = || {
            let (channels, rate) = (Channels::Mono, SampleRate::Hz48000);
            let mut opus = opusic_c::Encoder::new(channels, rate, Application::Voip)?;
            opus.set_complexity(COMPLEXITY)?;
            opus.set_inband_fec(InbandFec::Mode1)?;
            opus.set_bitrate(Bitrate::Value(START_BPS))?;
            opus.set_packet_loss(MIN_LOSS)?;
            Ok(Self { opus, bps: START_BPS, loss: MIN_LOSS, is_silent: false })
        };
        start().map_err(failed)
    }

    /// Aims at `bps` bits a second, and at a path that loses `loss` percent of packets.
    pub(crate) fn adapt(&mut self, bps: u32, loss: u8) {
        let (bps, loss) = (bps.clamp(MIN_BPS, MAX_BPS), loss.clamp(MIN_LOSS, MAX_LOSS));
        if bps != self.bps && self.opus.set_bitrate(Bitrate::Value(bps)).is_ok() {
            self.bps = bps;
        }
        if loss != self.loss && self.opus.set_packet_loss(loss).is_ok() {
            self.loss = loss;
        }
    }

    /// Encodes 20 ms. `None` when there is nothing to be sent for them: silence goes on, or the codec
    /// failed.
    pub(crate) fn encode(&mut self, frame: &[f32; FRAME_SAMPLES]) -> Option<Bytes> {
        let is_silent = level::dbfs(frame) < SILENCE;
        if is_silent != self.is_silent && self.opus.set_dtx(is_silent).is_ok() {
            self.is_silent = is_silent;
        }
        let mut packet = [0; MAX_OPUS_BYTES];
        match self.opus.encode_float_to_slice(frame, &mut packet) {
            Ok(length) if length > SILENCE_BYTES => {
                Some(Bytes::copy_from_slice(&packet[..length.min(MAX_OPUS_BYTES)]))
            }
            Ok(_) => None,
            Err(error) => {
                tracing::debug!(error = error.message(), "a frame was not encoded");
                None
            }
        }
    }
}

/// Decodes one stream of the partner.
pub(crate) struct Decoder(opusic_c::Decoder);

impl Decoder {
    /// # Errors
    ///
    /// When there is no memory for the codec.
    pub(crate) fn new() -> Result<Self, SoundError> {
        opusic_c::Decoder::new(Channels::Mono, SampleRate::Hz48000).map(Self).map_err(failed)
    }

    /// Appends the samples of a packet to `samples`; `false` when it is damaged.
    pub(crate) fn decode(&mut self, packet: &[u8], samples: &mut Vec<f32>) -> bool {
        !packet.is_empty() && self.run(packet, MAX_PACKET_SAMPLES, false, samples)
    }

    /// Appends `missing` samples of the frame before `next`, from its forward error correction, or
    /// concealed when it has none: `false`. `missing` is a multiple of [`STEP_SAMPLES`].
    pub(crate) fn recover(&mut self, next: &[u8], missing: usize, samples: &mut Vec<f32>) -> bool {
        let is_decoded = !next.is_empty() && self.run(next, missing, true, samples);
        if !is_decoded {
            self.conceal(missing, samples);
        }
        is_decoded && protects(next)
    }

    /// Appends `missing` samples made up from those before. A multiple of [`STEP_SAMPLES`].
    pub(crate) fn conceal(&mut self, missing: usize, samples: &mut Vec<f32>) {
        if !self.run(&[], missing, false, samples) {
            samples.resize(samples.len() + missing, 0.0);
        }
    }

    fn run(&mut self, packet: &[u8], most: usize, fec: bool, samples: &mut Vec<f32>) -> bool {
        let begin = samples.len();
        samples.resize(begin + most, 0.0);
        let decoded = self.0.decode_float_to_slice(packet, &mut samples[begin..], fec);
        samples.truncate(begin + decoded.unwrap_or(0).min(most));
        decoded.is_ok_and(|decoded| decoded > 0)
    }
}

/// The samples in a packet as its first bytes say, at 48 kHz; `None` when it is no Opus packet.
pub(crate) fn samples_in(packet: &[u8]) -> Option<usize> {
    opusic_c::utils::get_nb_samples(packet, SampleRate::Hz48000).ok().filter(|samples| *samples > 0)
}

/// Whether a packet has forward error correction of the one before, by RFC 6716: only SILK and hybrid frames
/// do (section 2.1.7), and say so after a bit for each 20 ms of voice activity (section 4.2.3). Packets of
/// several frames are taken for ones that do not.
fn protects(packet: &[u8]) -> bool {
    let &[toc, header, ..] = packet else { return false };
    let (configuration, is_stereo, frames) = (toc >> 3, toc & 4 != 0, toc & 3);
    let activity = match configuration {
        0..12 => [1, 1, 2, 3][usize::from(configuration % 4)],
        12..16 => 1,
        _ => return false,
    };
    let is_set = |bit: u8| header & (0x80 >> bit) != 0;
    frames == 0 && (is_set(activity) || is_stereo && is_set(2 * activity + 1))
}

fn failed(error: ErrorCode) -> SoundError {
    SoundError::Codec(error.message().to_owned())
}

#[cfg(test)]
#[path = "codec_tests.rs"]
mod tests;
