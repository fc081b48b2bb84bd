//! Options of a call for its sound.

use clap::Args;

use crate::sound::{AudioIn, AudioOut, SoundConfig};

/// Sound.
#[derive(Debug, Clone, Args)]
pub struct SoundArgs {
    /// What the other side hears: auto (the microphone, if there is one), none, a tone of 440 Hz, or
    /// a sound file (.wav of 48 kHz, or anything an installed ffmpeg reads)
    #[arg(long, default_value = "auto", value_name = "auto|none|tone|FILE")]
    pub audio: AudioIn,
    /// Where the other side is heard: auto (the speaker, if there is one), none, or a file to write
    #[arg(long, default_value = "auto", value_name = "auto|none|FILE.wav")]
    pub audio_out: AudioOut,
    /// The microphone: its name or a part of it, as `meoww devices` shows it; or a file
    #[arg(long, value_name = "default|none|NAME|FILE", conflicts_with = "audio")]
    #[arg(value_parser = AudioIn::of_microphone)]
    pub mic: Option<AudioIn>,
    /// The speaker: its name or a part of it, as `meoww devices` shows it; or a file
    #[arg(long, value_name = "default|none|NAME|FILE.wav", conflicts_with = "audio_out")]
    #[arg(value_parser = AudioOut::of_speaker)]
    pub speaker: Option<AudioOut>,
    /// Begin with the microphone muted
    #[arg(long, env = "MEOWW_JOIN_MUTED")]
    pub join_muted: bool,
    /// Keep the microphone muted but while F7 (or Ctrl-S) is held
    #[arg(long, conflicts_with = "headless")]
    pub push_to_talk: bool,
}

impl SoundArgs {
    /// The source and sink to open.
    pub fn config(&self) -> SoundConfig {
        SoundConfig {
            input: self.mic.as_ref().unwrap_or(&self.audio).clone(),
            output: self.speaker.as_ref().unwrap_or(&self.audio_out).clone(),
            is_muted: self.join_muted || self.push_to_talk,
        }
    }
}
