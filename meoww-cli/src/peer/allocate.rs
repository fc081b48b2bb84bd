//! How the bits that a path carries are shared: sound first, as a call without a picture is a call.

/// What Opus needs to be clean speech with room for error correction, and what is of use at most
/// (RFC 7587, section 3.1.1: 16 to 40 kbit/s from narrow band to full band speech).
pub(super) const LEAST_SOUND: u32 = 24_000;
const MOST_SOUND: u32 = 40_000;
/// The part of a path that sound takes between the two.
const SOUND_PART: u32 = 8;
/// The headers of 50 packets a second: IPv4 20 bytes, UDP 8, RTP 12 with 8 of extensions, and 10 of
/// authentication. With frames of 20 ms they are as much as the sound.
pub(super) const SOUND_OVERHEAD: u32 = 50 * 8 * (20 + 8 + 12 + 8 + 10);
/// The rest of what is left for pictures is for retransmission and headers.
const PICTURE_PART: f64 = 0.85;

/// Bits a second for each kind of media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// For the encoder of sound.
    pub(super) sound: u32,
    /// For the encoder of pictures.
    pub(super) picture: u32,
}

impl Shares {
    /// Of a path that carries so many bits a second, with or without sound on it.
    pub(super) fn of(estimate: u32, with_sound: bool) -> Self {
        let sound = (estimate / SOUND_PART).clamp(LEAST_SOUND, MOST_SOUND);
        let taken = if with_sound { sound + SOUND_OVERHEAD } else { 0 };
        let left = estimate.saturating_sub(taken);
        Self { sound, picture: (f64::from(left) * PICTURE_PART) as u32 }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_slow_path_carries_clean_sound_and_a_slow_picture() {
        let Shares { sound, picture } = Shares::of(100_000, true);
        // 100 - 24 - 23.2 = 52.8, of which 85 % are 44.88.
        assert_eq!((sound, picture), (24_000, 44_880));
    }

    #[test]
    fn with_room_sound_gets_all_it_can_use() {
        assert_eq!(Shares::of(400_000, true).sound, 40_000);
        assert_eq!(Shares::of(3_000_000, true).sound, 40_000);
    }

    #[test]
    fn without_sound_pictures_have_the_path() {
        assert_eq!(Shares::of(400_000, false).picture, 340_000);
    }

    proptest! {
        /// Pictures never take from sound, and both together never more than there is.
        #[test]
        fn sound_comes_first(estimate in 0..5_000_000_u32) {
            let Shares { sound, picture } = Shares::of(estimate, true);
            prop_assert!((LEAST_SOUND..=MOST_SOUND).contains(&sound));
            prop_assert!(picture == 0 || sound + SOUND_OVERHEAD + picture <= estimate);
            prop_assert!(Shares::of(estimate + 1, true).picture >= picture.saturating_sub(1));
        }
    }
}
