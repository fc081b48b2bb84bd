//! Sources and sinks of sound, as the command line names them.

use std::{convert::Infallible, path::PathBuf, str::FromStr, time::Duration};

use super::Block;

/// Where one's own sound comes from, as `--audio` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(
    unpredictable_function_pointer_comparisons,
    reason = "compared are those that the command line names"
)]
pub enum AudioIn {
    /// The default microphone.
    #[default]
    Auto,
    /// The microphone of that name, or with that in its name.
    Device(String),
    /// Nothing: the partner hears silence.
    None,
    /// Blocks made by a function of the time since the first; not selectable by name.
    Made(fn(Duration) -> Block),
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

impl AudioIn {
    /// As `--mic` takes it: `default`, `none`, a file (with a folder, or a WAV file), else a name or a
    /// part of one.
    ///
    /// # Errors
    ///
    /// Never: it is a parser of arguments, which return a result.
    pub fn of_microphone(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "default" => Self::Auto,
            "none" => Self::None,
            path if is_file(path) => Self::File(path.into()),
            name => Self::Device(name.to_owned()),
        })
    }
}

/// No name of a device has a slash or ends like this.
fn is_file(text: &str) -> bool {
    text.contains(['/', std::path::MAIN_SEPARATOR]) || text.to_lowercase().ends_with(".wav")
}

/// Where the partner's sound goes, as `--audio-out` takes it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[allow(
    unpredictable_function_pointer_comparisons,
    reason = "compared are those that the command line names"
)]
pub enum AudioOut {
    /// The default speaker.
    #[default]
    Auto,
    /// The speaker of that name, or with that in its name.
    Device(String),
    /// Nowhere.
    None,
    /// Blocks are given to a function when they are due; not selectable by name.
    Taken(fn(&Block)),
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

impl AudioOut {
    /// As `--speaker` takes it: `default`, `none`, a WAV file, else a name or a part of one.
    ///
    /// # Errors
    ///
    /// Never: it is a parser of arguments, which return a result.
    pub fn of_speaker(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "default" => Self::Auto,
            "none" => Self::None,
            path if is_file(path) => Self::WavFile(path.into()),
            name => Self::Device(name.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_devices() {
        let parsed = |text: &str| AudioIn::of_microphone(text).unwrap();
        assert_eq!(["default", "none"].map(parsed), [AudioIn::Auto, AudioIn::None]);
        for name in ["jabra", "alsa_input.usb-0d8c.analog-stereo", "plughw:CARD=PCH,DEV=0", "tone"]
        {
            assert_eq!(parsed(name), AudioIn::Device(name.to_owned()));
        }
        for file in ["cat.wav", "CAT.WAV", "./cat.mp3", "/tmp/jabra"] {
            assert_eq!(parsed(file), AudioIn::File(file.into()));
        }
        let parsed = |text: &str| AudioOut::of_speaker(text).unwrap();
        assert_eq!(["default", "none"].map(parsed), [AudioOut::Auto, AudioOut::None]);
        assert_eq!(parsed("jabra"), AudioOut::Device("jabra".to_owned()));
        assert_eq!(parsed("call.wav"), AudioOut::WavFile("call.wav".into()));
    }

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
