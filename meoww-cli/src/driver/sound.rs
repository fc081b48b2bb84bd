//! The sound of the client: opened once, with a room of its own for each call.

use std::sync::Arc;

use tokio::{sync::mpsc, task::spawn_blocking};

use crate::{
    error::Error,
    peer::PeerSound,
    sound::{AudioIn, Sound, SoundConfig, SoundError, SoundEvent},
};

/// Sound, as the screen or a script turns it. Each change is in force within 10 ms.
#[derive(Debug, Clone)]
pub struct SoundSwitch {
    sound: Arc<Sound>,
    has_input: bool,
}

impl SoundSwitch {
    /// Opens source and sink. Also returns what the user should know from then on.
    ///
    /// # Errors
    ///
    /// A file cannot be read or written, or there is no thread left.
    pub(super) async fn open(
        config: SoundConfig,
    ) -> Result<(Self, mpsc::Receiver<SoundEvent>), Error> {
        // Devices are slow to open, and files are read whole.
        let opened = spawn_blocking(move || Self::open_blocking(&config)).await;
        Ok(opened.map_err(|error| Error::Other(error.to_string()))??)
    }

    /// Likewise, on a thread that may be blocked.
    pub fn open_blocking(
        config: &SoundConfig,
    ) -> Result<(Self, mpsc::Receiver<SoundEvent>), SoundError> {
        let (sound, events) = Sound::open(config)?;
        let has_input = config.input != AudioIn::None;
        Ok((Self { sound: Arc::new(sound), has_input }, events))
    }

    /// Begins the sound of a new room, and ends that of the last.
    pub(super) fn room(&self) -> PeerSound {
        PeerSound { room: self.sound.room(), on: self.sound.on() }
    }

    /// Whether there is anything for the partner to hear, if devices work.
    pub fn has_input(&self) -> bool {
        self.has_input
    }

    /// Lets the partner hear the microphone or not, and tells the partner so.
    pub fn set_muted(&self, is_muted: bool) {
        self.sound.set_muted(is_muted);
    }

    /// Plays the partner's sound or not.
    pub fn set_deafened(&self, is_deafened: bool) {
        self.sound.controls().set_deafened(is_deafened);
    }

    /// Plays the partner's sound this loud, in percent of how it came.
    pub fn set_volume(&self, percent: u32) {
        self.sound.controls().set_volume(percent);
    }

    /// Level of the microphone in dBFS, -100 to 0, also while it is muted; `None` while there is none.
    pub fn input_level(&self) -> Option<i32> {
        self.sound.levels().input()
    }

    /// Level of what is played in dBFS, -100 to 0.
    pub fn output_level(&self) -> i32 {
        self.sound.levels().output()
    }
}
