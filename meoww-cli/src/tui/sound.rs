//! One's own sound on the screen: the microphone and its key, hearing, and loudness.

use std::time::Duration;

/// How long a press of the key holds the microphone open, until the terminal repeats the key: the
/// delay before that is 250 to 660 ms with usual settings.
const FIRST_PRESS: Duration = Duration::from_millis(800);
/// And from then on, as keys are repeated 10 to 40 times a second.
const NEXT_PRESS: Duration = Duration::from_millis(300);
/// In percent, as are the bounds.
const VOLUME_STEP: u32 = 10;
const MAX_VOLUME: u32 = 200;
/// The levels at the ends of the meter, in dBFS.
const QUIET: i32 = -60;
const LOUD: i32 = -6;

/// How sound stands, as far as the screen knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// The microphone.
    pub microphone: Microphone,
    /// Whether the partner is not to be heard.
    pub deafened: bool,
    /// How loud the partner is, in percent.
    pub volume: u32,
    /// Level of the microphone in dBFS.
    pub level: i32,
    /// Whether there is no microphone at the moment. Muting counts for the one that comes.
    pub is_missing: bool,
}

/// Whether the partner hears the microphone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Microphone {
    /// There is none, or none that works.
    Absent,
    /// It is on.
    Open,
    /// It is off.
    Muted,
    /// It is on while a key is held.
    PushToTalk {
        /// Until when, if it is held and nothing more comes of it. Terminals say that a key was
        /// pressed, and again and again while it is held; only few say that it was let go.
        until: Option<Duration>,
    },
}

/// The state of the partner's sound, as the partner reports it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PartnerSound {
    /// It may be heard.
    #[default]
    On,
    /// The partner muted itself.
    Muted,
    /// Its program sends none.
    Absent,
}

impl Sound {
    /// At the start of a client.
    pub fn new(microphone: Microphone) -> Self {
        Self { microphone, deafened: false, volume: 100, level: -100, is_missing: false }
    }

    /// Whether the partner hears the microphone.
    pub fn is_on(&self) -> bool {
        match self.microphone {
            Microphone::Open | Microphone::PushToTalk { until: Some(_) } => true,
            Microphone::Absent | Microphone::Muted | Microphone::PushToTalk { until: None } => {
                false
            }
        }
    }

    /// The level of the microphone; `None` while there is none.
    pub(super) fn set_level(&mut self, level: Option<i32>) {
        (self.level, self.is_missing) = (level.unwrap_or(-100), level.is_none());
    }

    /// Whether there is no microphone, now or ever.
    pub(super) fn lacks_microphone(&self) -> bool {
        self.is_missing || self.microphone == Microphone::Absent
    }

    /// Whether there is a microphone that was turned off.
    pub(super) fn is_muted(&self) -> bool {
        self.microphone == Microphone::Muted && !self.is_missing
    }

    /// The key of the microphone was pressed or repeated.
    pub(super) fn press(&mut self, now: Duration) {
        self.microphone = match self.microphone {
            Microphone::Absent => Microphone::Absent,
            Microphone::Open => Microphone::Muted,
            Microphone::Muted => Microphone::Open,
            Microphone::PushToTalk { until: None } => {
                Microphone::PushToTalk { until: Some(now + FIRST_PRESS) }
            }
            Microphone::PushToTalk { until: Some(until) } => {
                Microphone::PushToTalk { until: Some(until.max(now + NEXT_PRESS)) }
            }
        };
    }

    /// The microphone goes off, even while its key is held.
    pub(super) fn mute(&mut self) {
        self.microphone = match self.microphone {
            Microphone::Absent => Microphone::Absent,
            Microphone::Open | Microphone::Muted => Microphone::Muted,
            Microphone::PushToTalk { .. } => Microphone::PushToTalk { until: None },
        };
    }

    /// The key of the microphone was let go.
    pub(super) fn release(&mut self) {
        if let Microphone::PushToTalk { until } = &mut self.microphone {
            *until = None;
        }
    }

    /// Time passed.
    pub(super) fn tick(&mut self, now: Duration) {
        if let Microphone::PushToTalk { until } = &mut self.microphone {
            *until = until.filter(|until| *until > now);
        }
    }

    pub(super) fn louder(&mut self) {
        self.volume = (self.volume + VOLUME_STEP).min(MAX_VOLUME);
    }

    pub(super) fn softer(&mut self) {
        self.volume = self.volume.saturating_sub(VOLUME_STEP);
    }

    /// How much of a meter of so many cells is lit.
    pub(super) fn meter(&self, cells: u16) -> u16 {
        let above = (self.level.clamp(QUIET, LOUD) - QUIET) as u16;
        (above * cells).div_ceil((LOUD - QUIET) as u16)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn a_press_mutes_and_another_unmutes() {
        let mut sound = Sound::new(Microphone::Open);
        sound.press(ms(0));
        assert!(!sound.is_on());
        sound.release();
        sound.tick(ms(10_000));
        assert!(!sound.is_on());
        sound.press(ms(10_000));
        assert!(sound.is_on());
        let mut none = Sound::new(Microphone::Absent);
        none.press(ms(0));
        assert!(!none.is_on());
    }

    /// As xterm reports it with the settings of X11: after 660 ms, 25 times a second.
    #[test]
    fn a_key_that_is_held_keeps_the_microphone_open_without_a_gap() {
        let mut sound = Sound::new(Microphone::PushToTalk { until: None });
        let presses: Vec<u64> = [0].into_iter().chain((660..3_000).step_by(40)).collect();
        for now in 0..3_000 {
            if presses.contains(&now) {
                sound.press(ms(now));
            }
            sound.tick(ms(now));
            assert!(sound.is_on(), "after {now} ms");
        }
        sound.tick(ms(3_300));
        assert!(!sound.is_on(), "it was let go");
    }

    #[test]
    fn a_terminal_that_reports_it_ends_it_at_once() {
        let mut sound = Sound::new(Microphone::PushToTalk { until: None });
        sound.press(ms(0));
        sound.release();
        assert!(!sound.is_on());
    }

    #[test]
    fn loudness_has_ends() {
        let mut sound = Sound::new(Microphone::Open);
        (0..30).for_each(|_| sound.louder());
        assert_eq!(sound.volume, 200);
        (0..30).for_each(|_| sound.softer());
        assert_eq!(sound.volume, 0);
    }

    #[test]
    fn the_meter_goes_from_end_to_end() {
        let lit = |level| Sound { level, ..Sound::new(Microphone::Open) }.meter(10);
        assert_eq!([-100, -60, -33, -6, 0].map(lit), [0, 0, 5, 10, 10]);
    }
}
