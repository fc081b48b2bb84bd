//! Takes the partner's echo out of the microphone: AEC3 of WebRTC, by `sonora-aec3`.
//!
//! `sonora` runs AEC3 with the settings of browsers alone, which are so sure to leave no echo that, while
//! both talk, they take every second syllable of one's own voice with it. AEC3 works on three bands of
//! 16 kHz, in blocks of 64 samples.

use sonora::{high_pass_filter::HighPassFilter, three_band_filter_bank::ThreeBandFilterBank};
use sonora_aec3::{
    block::Block as Aec3Block, block_framer::BlockFramer, block_processor::BlockProcessor,
    config::EchoCanceller3Config, frame_blocker::FrameBlocker,
};

use super::{BLOCK_SAMPLES, Block, SAMPLE_RATE};

const BANDS: usize = 3;
const BAND_SAMPLES: usize = BLOCK_SAMPLES / BANDS;
/// AEC3 is given half a block of a band at a time.
const PIECE: usize = BAND_SAMPLES / 2;
/// Samples are those of 16 bits to AEC3.
const SCALE: f32 = 32_768.0;
/// Louder than this, a microphone has most likely cut its samples off.
const CUT_OFF: f32 = 32_700.0 / SCALE;

/// One block, in bands.
type Bands = [[f32; BAND_SAMPLES]; BANDS];

/// The echo canceller of one microphone.
pub(super) struct EchoCanceller {
    /// Takes a constant voltage out of the microphone.
    high_pass: HighPassFilter,
    far: Split,
    near: Split,
    framer: BlockFramer,
    aec3: BlockProcessor,
}

impl Default for EchoCanceller {
    fn default() -> Self {
        Self {
            high_pass: HighPassFilter::new(SAMPLE_RATE.cast_signed(), 1),
            far: Split::default(),
            near: Split::default(),
            framer: BlockFramer::new(BANDS, 1),
            aec3: BlockProcessor::new(&config(), SAMPLE_RATE as usize, 1, 1),
        }
    }
}

impl EchoCanceller {
    /// Cleans `near`, the next block of the microphone, of `far`, the block that was given to the speaker
    /// in the same 10 ms. How long it takes to come back is found out, and may be up to half a second.
    pub(super) fn process(&mut self, near: &mut Block, far: &Block) {
        let Self { far: render, aec3, .. } = self;
        let bands = render.bands(far);
        render.blocks(&bands, |block, _| aec3.buffer_render(block));

        let is_cut_off = near.iter().any(|sample| sample.abs() >= CUT_OFF);
        let mut filtered = [near.to_vec()];
        self.high_pass.process_channels(&mut filtered);
        near.copy_from_slice(&filtered[0]);
        let Self { near: capture, aec3, framer, .. } = self;
        let bands = capture.bands(near);
        let mut cleaned: Bands = [[0.0; BAND_SAMPLES]; BANDS];
        capture.blocks(&bands, |block, piece| {
            aec3.process_capture(false, is_cut_off, None, block);
            let Some(begin) = piece else { return framer.insert_block(block) };
            let mut pieces = vec![vec![vec![0.0; PIECE]]; BANDS];
            framer.insert_block_and_extract_sub_frame(block, &mut pieces);
            for (band, piece) in cleaned.iter_mut().zip(&pieces) {
                band[begin..begin + PIECE].copy_from_slice(&piece[0]);
            }
        });
        capture.bank.synthesis(&cleaned, near);
        near.iter_mut().for_each(|sample| *sample /= SCALE);
    }
}

/// Splits the blocks of one signal into those of AEC3.
struct Split {
    bank: ThreeBandFilterBank,
    blocker: FrameBlocker,
    block: Aec3Block,
}

impl Default for Split {
    fn default() -> Self {
        let blocker = FrameBlocker::new(BANDS, 1);
        Self { bank: ThreeBandFilterBank::new(), blocker, block: Aec3Block::new(BANDS, 1) }
    }
}

impl Split {
    fn bands(&mut self, block: &Block) -> Bands {
        let mut bands = [[0.0; BAND_SAMPLES]; BANDS];
        self.bank.analysis(&block.map(|sample| sample * SCALE), &mut bands);
        bands
    }

    /// Hands out the blocks of AEC3 that are whole, each with where the piece begins that completed it;
    /// with every fourth piece there is one more.
    fn blocks(&mut self, bands: &Bands, mut take: impl FnMut(&mut Aec3Block, Option<usize>)) {
        for begin in [0, PIECE] {
            let pieces: Vec<Vec<&[f32]>> =
                bands.iter().map(|band| vec![&band[begin..begin + PIECE]]).collect();
            self.blocker.insert_sub_frame_and_extract_block(&pieces, &mut self.block);
            take(&mut self.block, Some(begin));
        }
        if self.blocker.is_block_available() {
            self.blocker.extract_block(&mut self.block);
            take(&mut self.block, None);
        }
    }
}

/// The settings of browsers, but for three, with which the voice of who talks over an echo is kept, and
/// an echo alone is no louder. Once the path of an echo has changed, its first second is.
fn config() -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    // The linear filter may be counted on for up to 9 dB, and 6 above 4 kHz, instead of 6 and 2.
    (config.erle.max_l, config.erle.max_h) = (8.0, 4.0);
    // While the near side talks, reverberation is not taken to be longer than it mostly is,
    config.ep_strength.nearend_len = 0.5;
    // and a syllable comes back within two blocks of 4 ms, and not four.
    config.suppressor.nearend_tuning.max_inc_factor = 4.0;
    config
}
