//! When the partner's pictures are shown: in step with the sound, the earlier of the two waiting, and
//! at their own pace.
//!
//! A picture that waited for a packet comes late, and those behind it come with it. Of such a bunch
//! each is shown for a moment, rather than the last alone, but for those that are far behind their
//! sound.
//!
//! Sender reports (RFC 3550, section 6.4.1) put both on one clock, that of the sender. Pictures wait
//! for their sound here, and sound waits for pictures in its jitter buffer.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use super::super::codecs::VIDEO_RATE;
use crate::sound::room::Playing;

/// Seconds that sound may be before or after its picture: about half of what is noticed (ITU-R
/// BT.1359-1: 45 ms before, 125 ms after).
const UNNOTICED: f64 = 0.040;
/// The longest that a picture waits, in seconds: that of sound is about as much.
const MAX_WAIT: f64 = 0.250;
/// Clocks that say more, in seconds, are not believed.
const NONSENSE: f64 = 2.0;
/// Seconds that a picture may be behind its sound to be shown, when there is a newer one.
const MAX_BEHIND: f64 = 0.080;
/// A picture is shown for as long as this, in seconds, when the next is late: twice as fast as it was
/// filmed until that is made up for.
const LEAST_SHOWN: f64 = 0.016;
/// Pictures that wait, at most; the oldest is dropped for one more.
const MAX_WAITING: usize = 16;
/// Sound waits for this share of the pictures of late, of which there are so many: 8 s at most.
const IN_TIME: f64 = 0.95;
const WINDOW: usize = 250;

/// The pictures of one connection on their way to be shown.
pub(in crate::peer) struct LipSync<P> {
    /// NTP time (32.32 fixed point) and RTP time of video at one moment.
    report: Option<(u64, u32)>,
    /// Oldest first.
    waiting: VecDeque<Waiting<P>>,
    /// When the last one was shown.
    shown: Option<Instant>,
    /// Seconds that each picture of late was behind sound that waits for nothing.
    lateness: VecDeque<f64>,
}

/// A picture, and when it is to be shown.
struct Waiting<P> {
    due: Instant,
    /// Far behind its sound.
    is_late: bool,
    picture: P,
}

impl<P> Default for LipSync<P> {
    fn default() -> Self {
        Self { report: None, waiting: VecDeque::new(), shown: None, lateness: VecDeque::new() }
    }
}

impl<P> LipSync<P> {
    /// Takes a sender report on the video.
    pub(in crate::peer) fn report(&mut self, ntp: u64, timestamp: u32) {
        self.report = Some((ntp, timestamp));
    }

    /// Takes a picture that is decoded, and what of the sound is played, and how long that waited.
    pub(in crate::peer) fn push(
        &mut self,
        timestamp: u32,
        picture: P,
        playing: Option<(Playing, Duration)>,
        now: Instant,
    ) {
        // There is a newer one.
        self.waiting.retain(|waiting| !waiting.is_late);
        let (mut due, mut is_late) = (now, false);
        if let Some((playing, waited)) = playing
            && let Some(behind) = self.behind(timestamp, playing, now)
        {
            self.lateness.push_back(behind + waited.as_secs_f64());
            if self.lateness.len() > WINDOW {
                self.lateness.pop_front();
            }
            due += Duration::from_secs_f64((-behind - UNNOTICED).clamp(0.0, MAX_WAIT));
            is_late = behind > MAX_BEHIND;
        }
        if let Some(last) = self.waiting.back().map(|waiting| waiting.due).or(self.shown) {
            due = due.max(last + Duration::from_secs_f64(LEAST_SHOWN));
        }
        due = due.min(now + Duration::from_secs_f64(MAX_WAIT));
        self.waiting.push_back(Waiting { due, is_late, picture });
        if self.waiting.len() > MAX_WAITING {
            self.waiting.pop_front();
        }
    }

    /// The newest picture that is to be shown; older ones are dropped.
    pub(in crate::peer) fn pop(&mut self, now: Instant) -> Option<P> {
        let due = self.waiting.partition_point(|waiting| waiting.due <= now);
        let newest = self.waiting.drain(..due).next_back()?;
        self.shown = Some(now);
        Some(newest.picture)
    }

    /// How long until the next picture is to be shown; `None` without one.
    pub(in crate::peer) fn next_in(&self, now: Instant) -> Option<Duration> {
        self.waiting.front().map(|waiting| waiting.due.saturating_duration_since(now))
    }

    /// Forgets the pictures that wait.
    pub(in crate::peer) fn clear(&mut self) {
        self.waiting.clear();
    }

    /// How long sound should wait at least.
    pub(in crate::peer) fn sound_waits(&self) -> Duration {
        let mut lateness: Vec<f64> = self.lateness.iter().copied().collect();
        let rank = (lateness.len() as f64 * IN_TIME) as usize;
        if rank >= lateness.len() {
            return Duration::ZERO;
        }
        let (_, in_time, _) = lateness.select_nth_unstable_by(rank, f64::total_cmp);
        Duration::from_secs_f64((*in_time - UNNOTICED).clamp(0.0, NONSENSE))
    }

    /// Seconds since the sound of the picture's moment was heard, less than zero when it is yet to be;
    /// `None` when that is not known.
    fn behind(&self, timestamp: u32, playing: Playing, now: Instant) -> Option<f64> {
        let (ntp, reported) = self.report?;
        let since_report =
            f64::from(timestamp.wrapping_sub(reported).cast_signed()) / f64::from(VIDEO_RATE);
        let since_heard = ntp_seconds(playing.ntp, ntp) - since_report;
        // A speaker has some blocks ahead, so that this one may be yet to be heard.
        let age = now.saturating_duration_since(playing.at).as_secs_f64()
            - playing.at.saturating_duration_since(now).as_secs_f64();
        let behind = since_heard + age;
        (age.abs() < NONSENSE && behind.abs() < NONSENSE).then_some(behind)
    }
}

/// Seconds from one NTP time to a later one.
fn ntp_seconds(later: u64, earlier: u64) -> f64 {
    later.wrapping_sub(earlier).cast_signed() as f64 / 2_f64.powi(32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    const SECOND: u64 = 1 << 32;

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// Pictures of 30 ms, each `picture` ms after it was made, with sound that is heard `sound` ms
    /// after that, of which it waits 60; returns when the pictures are shown, in ms after they were
    /// made.
    fn shown(picture: u64, sound: u64) -> (LipSync<u64>, Vec<u64>) {
        shown_with(picture, sound, 0)
    }

    /// Likewise, with a speaker that is given its sound so long before it is heard.
    fn shown_with(picture: u64, sound: u64, ahead: u64) -> (LipSync<u64>, Vec<u64>) {
        let (start, mut sync, mut shown) = (clock::now(), LipSync::default(), Vec::new());
        sync.report(1000 * SECOND, u32::MAX - 50_000);
        for now in 0..5000 {
            let at = start + millis(now);
            let heard = (now + ahead + 10_000 - sound) * SECOND / 1000;
            let playing = Playing { ntp: 990 * SECOND + heard, at: at + millis(ahead) };
            if let Some(made) = now.checked_sub(picture).filter(|made| made.is_multiple_of(30)) {
                let timestamp = (u32::MAX - 50_000).wrapping_add(made as u32 * 90);
                sync.push(timestamp, made, Some((playing, millis(60))), at);
            }
            shown.extend(sync.pop(at).map(|made| now - made));
        }
        (sync, shown)
    }

    #[test]
    fn pictures_wait_for_sound_that_is_late() {
        for (picture, sound, expected) in [(50, 80, 50), (50, 150, 110), (20, 500, 270)] {
            let (sync, shown) = shown(picture, sound);
            assert!(shown.iter().all(|after| after.abs_diff(expected) <= 1), "{shown:?}");
            assert!(shown.len() > 150, "{} pictures", shown.len());
            // Those of 50 and 80 ms are 30 ms ahead: without a wait of 60, they would be 30 behind.
            assert!(sync.sound_waits() <= millis(60));
        }
    }

    /// Sound is heard 150 ms after it was made, however early the speaker has it.
    #[test]
    fn a_speaker_that_has_sound_ahead_is_waited_for() {
        for ahead in [0, 40, 130] {
            let (_, shown) = shown_with(50, 150, ahead);
            assert!(shown.iter().all(|after| after.abs_diff(110) <= 1), "{ahead}: {shown:?}");
        }
    }

    #[test]
    fn sound_waits_for_pictures_that_are_late() {
        let (sync, shown) = shown(180, 80);
        assert!(shown.iter().all(|after| *after == 180));
        // 100 ms behind, of which 40 are not noticed.
        let waits = sync.sound_waits().as_secs_f64();
        assert!((waits - 0.120).abs() < 0.002, "{waits}");
    }

    #[test]
    fn clocks_that_make_no_sense_delay_nothing() {
        let mut now = clock::now();
        let mut sync = LipSync::default();
        let mut shown = |sync: &mut LipSync<u32>, timestamp, playing| {
            now += millis(33);
            let playing = playing_at(playing, now);
            sync.push(timestamp, 7, playing, now);
            sync.pop(now) == Some(7)
        };
        assert!(shown(&mut sync, 0, Some(1000)), "no report yet");
        sync.report(1000 * SECOND, 0);
        assert!(shown(&mut sync, 0, None), "no sound");
        for (timestamp, ntp) in [(90_000 * 3, 1000), (0, 5), (0, 4_000_000_000)] {
            assert!(shown(&mut sync, timestamp, Some(ntp)), "{timestamp} {ntp}");
        }
    }

    fn playing_at(seconds: Option<u64>, at: Instant) -> Option<(Playing, Duration)> {
        seconds.map(|seconds| (Playing { ntp: seconds * SECOND, at }, millis(40)))
    }

    /// One in ten waits 100 ms for a packet.
    #[test]
    fn sound_waits_for_the_pictures_that_wait_for_a_packet() {
        let (start, mut sync) = (clock::now(), LipSync::default());
        sync.report(1000 * SECOND, 0);
        for n in 0..1000 {
            let at = start + millis(n * 33);
            let late = if n % 10 == 0 { 150 } else { 50 };
            // Made so long ago; of the sound, what was made 80 ms ago is heard.
            let timestamp = (n * 33 * 90) as u32;
            let ntp = 1000 * SECOND + (n * 33 + late) * SECOND / 1000 - 80 * SECOND / 1000;
            sync.push(timestamp, n, Some((Playing { ntp, at }, millis(40))), at);
            sync.pop(at + millis(30));
        }
        // 70 ms behind sound that waits 40, of which 40 are not noticed.
        assert!(sync.sound_waits().abs_diff(millis(70)) <= millis(1), "{:?}", sync.sound_waits());
    }

    /// Five pictures wait for a packet and come together, 165 ms late.
    #[test]
    fn a_bunch_of_pictures_is_shown_one_after_the_other() {
        let (start, mut sync, mut shown) = (clock::now(), LipSync::default(), Vec::new());
        for now in 0..600 {
            let at = start + millis(now);
            let came = (0..16).filter(|n| match n {
                5..10 => now == 330,
                _ => now == n * 33,
            });
            for n in came {
                sync.push(0, n, None, at);
            }
            shown.extend(sync.pop(at).map(|n| (n, now)));
        }
        assert_eq!(shown.iter().map(|(n, _)| *n).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
        let gaps = shown.windows(2).map(|pair| pair[1].1 - pair[0].1);
        assert!(gaps.clone().all(|gap| (16..=198).contains(&gap)), "{shown:?}");
        // In step again after the bunch.
        assert_eq!(shown.last(), Some(&(15, 495)));
    }

    #[test]
    fn pictures_that_wait_are_bounded_and_stay_in_order() {
        let now = clock::now();
        let mut sync = LipSync::default();
        sync.report(1000 * SECOND, 0);
        for picture in 0..100 {
            // Sound that is sometimes late and sometimes not.
            let ntp = 1000 * SECOND - u64::from(picture % 3 == 0) * SECOND;
            sync.push(0, picture, Some((Playing { ntp, at: now }, millis(40))), now);
            assert!(sync.waiting.len() <= MAX_WAITING && sync.lateness.len() <= WINDOW);
        }
        assert_eq!(sync.pop(now), None);
        assert_eq!(sync.next_in(now), Some(millis(250)));
        assert_eq!(sync.pop(now + millis(250)), Some(99));
        let playing = Playing { ntp: 999 * SECOND, at: now };
        sync.push(0, 100, Some((playing, millis(40))), now);
        sync.clear();
        assert_eq!(sync.next_in(now), None);
    }
}
