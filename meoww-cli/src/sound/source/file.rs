//! Sound from a file, over and over: WAV by itself, all else through ffmpeg.

use std::{
    env,
    io::Read as _,
    path::Path,
    process::{Command, Stdio},
};

use hound::{SampleFormat, WavReader};

use crate::sound::{
    Block, SAMPLE_RATE, SoundError,
    resample::{RATES, Resampler},
};

/// Seconds that are read of a file, at most.
const MAX_SECONDS: usize = 300;
/// Characters of a reason, at most.
const MAX_REASON: usize = 200;

/// A file in memory.
pub(in crate::sound) struct Clip {
    samples: Vec<f32>,
    at: usize,
}

impl Clip {
    /// # Errors
    ///
    /// There is no sound in it, or it cannot be had.
    pub(super) fn read(path: &Path) -> Result<Self, SoundError> {
        let metadata = path.metadata().map_err(|error| unreadable(path, &error.to_string()))?;
        if !metadata.is_file() {
            return Err(unreadable(path, "it is no file"));
        }
        let samples = match wav(path) {
            Some(samples) => samples.map_err(|error| unreadable(path, &error.to_string()))?,
            None if is_ffmpeg_installed() => ffmpeg(path)?,
            None => return Err(SoundError::NoFfmpeg { path: path.to_owned() }),
        };
        if samples.is_empty() {
            return Err(unreadable(path, "it has no sound"));
        }
        Ok(Self { samples, at: 0 })
    }

    pub(super) fn fill(&mut self, block: &mut Block) {
        for sample in block {
            *sample = self.samples[self.at];
            self.at = (self.at + 1) % self.samples.len();
        }
    }
}

/// The samples of a WAV file, at 48 kHz; `None` for any other.
fn wav(path: &Path) -> Option<Result<Vec<f32>, hound::Error>> {
    let reader = WavReader::open(path).ok()?;
    let spec = reader.spec();
    let rate = spec.sample_rate;
    if !RATES.contains(&rate) {
        return None;
    }
    let channels = usize::from(spec.channels.max(1));
    let most = MAX_SECONDS * rate as usize * channels;
    let interleaved: Result<Vec<f32>, _> = match spec.sample_format {
        SampleFormat::Float => reader.into_samples().take(most).collect(),
        SampleFormat::Int => {
            let full_scale = (1_i64 << (spec.bits_per_sample.clamp(1, 32) - 1)) as f32;
            let samples = reader.into_samples::<i32>().take(most);
            samples.map(|sample| Ok(sample? as f32 / full_scale)).collect()
        }
    };
    let mixed = |frame: &[f32]| frame.iter().sum::<f32>() / frame.len() as f32;
    let mixed = |samples: Vec<f32>| samples.chunks_exact(channels).map(mixed).collect();
    Some(interleaved.map(mixed).map(|samples| at_our_rate(samples, rate)))
}

fn at_our_rate(mut samples: Vec<f32>, rate: u32) -> Vec<f32> {
    let wanted = (samples.len() as u64 * u64::from(SAMPLE_RATE)).div_ceil(u64::from(rate));
    let Ok(mut resampler) = Resampler::new(rate, SAMPLE_RATE) else { return samples };
    // Pushes out the samples that the resampler holds back.
    samples.resize(samples.len() + rate as usize / 50, 0.0);
    let mut converted = Vec::new();
    resampler.process(&samples, &mut converted);
    converted.drain(..resampler.delay());
    converted.truncate(wanted as usize);
    converted
}

fn is_ffmpeg_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join("ffmpeg").is_file())
}

/// The first sound of any other file, mixed and resampled.
fn ffmpeg(path: &Path) -> Result<Vec<f32>, SoundError> {
    let mut input = std::ffi::OsString::from("file:");
    input.push(path);
    let mut run = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-nostats", "-loglevel", "error", "-i"])
        .arg(input)
        .args(["-vn", "-sn", "-dn", "-ac", "1", "-ar", "48000", "-t", "300", "-f", "f32le", "-"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| unreadable(path, &error.to_string()))?;
    let mut bytes = Vec::new();
    let read = run.stdout.take().map(|pipe| {
        pipe.take(4 * u64::from(SAMPLE_RATE) * MAX_SECONDS as u64).read_to_end(&mut bytes)
    });
    let _ = run.kill();
    let _ = run.wait();
    if let Some(Err(error)) = read {
        return Err(unreadable(path, &error.to_string()));
    }
    if bytes.is_empty() {
        return Err(unreadable(path, "ffmpeg finds no sound in it"));
    }
    Ok(bytes.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

fn unreadable(path: &Path, reason: &str) -> SoundError {
    let reason = reason.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect();
    SoundError::Unreadable { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use hound::{WavSpec, WavWriter};

    use super::*;
    use crate::sound::{BLOCK_SAMPLES, SILENCE, level};

    fn write(path: &Path, sample_rate: u32, bits_per_sample: u16, frames: &[[i32; 2]]) {
        let sample_format = SampleFormat::Int;
        let spec = WavSpec { channels: 2, sample_rate, bits_per_sample, sample_format };
        let mut writer = WavWriter::create(path, spec).unwrap();
        frames.iter().flatten().for_each(|sample| writer.write_sample(*sample).unwrap());
        writer.finalize().unwrap();
    }

    #[test]
    fn stereo_is_mixed_and_played_over_and_over() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sound.wav");
        for bits in [16, 24, 32] {
            let half = 1 << (bits - 2);
            write(&path, SAMPLE_RATE, bits, &[[half, half], [half, -half], [0, -half]]);
            let mut clip = Clip::read(&path).unwrap();
            let mut block = SILENCE;
            clip.fill(&mut block);
            let expected: Vec<f32> = [0.5, 0.0, -0.25].repeat(BLOCK_SAMPLES / 3);
            assert_eq!(block.as_slice(), expected, "{bits} bits");
        }
    }

    /// A second of 440 Hz at -6 dB, as a whole: length, pitch and level.
    #[test]
    fn other_rates_are_converted() {
        let folder = tempfile::tempdir().unwrap();
        for rate in [8_000, 22_050, 44_100, 96_000] {
            let path = folder.path().join("tone.wav");
            let turns = 440.0 / f64::from(rate) * std::f64::consts::TAU;
            let sine = |at: u32| (f64::from(at) * turns).sin();
            let frames: Vec<[i32; 2]> =
                (0..rate).map(|at| [(sine(at) * 16_384.0) as i32; 2]).collect();
            write(&path, rate, 16, &frames);
            let samples = wav(&path).expect("no ffmpeg is needed").unwrap();
            assert_eq!(samples.len(), 48_000, "{rate} Hz");
            let rises = samples.windows(2).filter(|pair| pair[0] < 0.0 && pair[1] >= 0.0).count();
            assert!(rises.abs_diff(440) <= 1, "{rate} Hz: {rises} Hz");
            let level = level::dbfs(&samples);
            assert!((level + 9.03).abs() < 0.1, "{rate} Hz: {level} dBFS");
        }
    }

    /// A rate of no device: ffmpeg takes any.
    #[test]
    fn files_that_are_no_wav_go_through_ffmpeg() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("slow.wav");
        write(&path, 4_000, 16, &[[16_384; 2]; 4_000]);
        let samples = Clip::read(&path).unwrap().samples;
        assert!(samples.len().abs_diff(48_000) <= 64, "{} samples", samples.len());
    }

    #[test]
    fn what_is_no_sound_says_why() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("missing.wav");
        let text = folder.path().join("text.wav");
        std::fs::write(&text, "meow").unwrap();
        for path in [&missing, &text, &folder.path().to_owned()] {
            let error = Clip::read(path).err().expect("no sound").to_string();
            assert!(error.contains("Name a readable sound file after --audio."), "{error}");
        }
    }
}
