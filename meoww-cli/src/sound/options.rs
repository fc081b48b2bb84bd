//! What to hear with and what to play on, as the command line names it.

use std::{convert::Infallible, path::PathBuf, str::FromStr};

/// Where one's own sound comes from, as `--audio` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AudioIn {
    /// The microphone.
    #[default]
    Auto,
    /// Nothing: the partner hears silence.
    None,
    /// A tone of 440 Hz at -20 dBFS.
    Tone,
    /// A sound file, played over and over.
    File(PathBuf),
}

impl FromStr for AudioIn {
    type Err = Infallible;

    /// `auto`, `none`, `tone`; all else is a path.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            "tone" => Self::Tone,
            path => Self::File(path.into()),
        })
    }
}

/// Where the partner's sound goes, as `--audio-out` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AudioOut {
    /// The speaker.
    #[default]
    Auto,
    /// Nowhere.
    None,
    /// A WAV file: 48 kHz, mono, 16 bit.
    WavFile(PathBuf),
}

impl FromStr for AudioOut {
    type Err = Infallible;

    /// `auto`, `none`; all else is a path.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "auto" => Self::Auto,
            "none" => Self::None,
            path => Self::WavFile(path.into()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_sounds() {
        let parsed = |text: &str| text.parse::<AudioIn>().unwrap();
        assert_eq!(
            ["auto", "none", "tone"].map(parsed),
            [AudioIn::Auto, AudioIn::None, AudioIn::Tone]
        );
        assert_eq!(parsed("cat.wav"), AudioIn::File("cat.wav".into()));
        let parsed = |text: &str| text.parse::<AudioOut>().unwrap();
        assert_eq!(["auto", "none"].map(parsed), [AudioOut::Auto, AudioOut::None]);
        assert_eq!(parsed("call.wav"), AudioOut::WavFile("call.wav".into()));
    }
}
