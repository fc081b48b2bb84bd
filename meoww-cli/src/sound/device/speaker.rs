//! Blocks to a speaker, or to nowhere while there is none.

use std::time::{Duration, Instant};

use super::{
    Kind,
    line::Line,
    reserve::Reserve,
    stream::{Ring, Stream},
};
use crate::sound::{Block, SAMPLE_RATE, pace::Pace, resample::Resampler};

/// The speaker of a call.
pub(in crate::sound) struct Speaker {
    line: Line,
    resampler: Option<Resampler>,
    portion: Vec<f32>,
    /// The pace while there is none.
    pace: Pace,
    reserve: Reserve,
    /// Frames that the device missed so far.
    missed: u64,
}

impl Speaker {
    /// Begins with the device of that name, or the default one.
    pub(in crate::sound) fn new(chosen: Option<String>, now: Instant) -> Self {
        Self {
            line: Line::new(Kind::Speaker, chosen, now),
            resampler: None,
            portion: Vec::new(),
            pace: Pace::default(),
            reserve: Reserve::default(),
            missed: 0,
        }
    }

    /// Returns a notice for the user. To be called from the thread that the device is to wake.
    pub(in crate::sound) fn poll(&mut self, now: Instant) -> Option<String> {
        let change = self.line.poll(now);
        if change.is_new {
            let stream = self.line.stream();
            self.resampler =
                stream.and_then(|stream| Resampler::new(SAMPLE_RATE, stream.rate).ok());
            self.pace = Pace::default();
            self.reserve = Reserve::default();
            self.missed = 0;
        }
        if let Some(stream) = self.line.stream() {
            self.reserve.update(stream.gaps(), now);
        }
        change.notice
    }

    /// Whether there is no sound system.
    pub(in crate::sound) fn lacks_system(&self) -> bool {
        self.line.is_without_system()
    }

    /// Whether a device is open.
    pub(in crate::sound) fn is_open(&mut self) -> bool {
        self.line.stream().is_some()
    }

    /// Whether a block is due; the caller then gives one.
    pub(in crate::sound) fn is_due(&mut self, now: Instant) -> bool {
        let Some(stream) = self.line.stream() else { return self.pace.take(now) };
        let block = stream.rate as usize / 100;
        // One portion of the device, and a reserve until the next call; and no more than there is room for.
        let wanted = stream.portion() + self.reserve.blocks() * block;
        let waiting = waiting(stream);
        waiting < wanted && waiting + 2 * block < capacity(stream)
    }

    /// Samples for which the device had nothing to play since the last call, after all blocks so far.
    pub(in crate::sound) fn missed(&mut self) -> usize {
        let Some(stream) = self.line.stream() else { return 0 };
        let missing = stream.missing() - std::mem::replace(&mut self.missed, stream.missing());
        (missing * u64::from(SAMPLE_RATE) / u64::from(stream.rate)) as usize
    }

    /// How long it takes until the next block is heard: after all that waits, here and in the device.
    pub(in crate::sound) fn delay(&mut self) -> Duration {
        let Some(stream) = self.line.stream() else { return Duration::ZERO };
        // The device has just begun to play its last portion.
        let samples = waiting(stream) + stream.portion();
        stream.delay() + Duration::from_secs_f64(samples as f64 / f64::from(stream.rate))
    }

    /// Plays a block.
    pub(in crate::sound) fn put(&mut self, block: &Block) {
        let (Some(stream), Some(resampler)) = (self.line.stream(), &mut self.resampler) else {
            return;
        };
        if let Ring::ToPlay(ring) = &mut stream.ring {
            self.portion.clear();
            resampler.process(block, &mut self.portion);
            for sample in &self.portion {
                // It is only full if more blocks are given than are due.
                let _ = ring.push(*sample);
            }
        }
    }
}

/// Samples that the device has not taken.
fn waiting(stream: &Stream) -> usize {
    match &stream.ring {
        Ring::ToPlay(ring) => ring.buffer().capacity() - ring.slots(),
        Ring::Recorded(_) => 0,
    }
}

/// Samples that can wait.
fn capacity(stream: &Stream) -> usize {
    match &stream.ring {
        Ring::ToPlay(ring) => ring.buffer().capacity(),
        Ring::Recorded(_) => 0,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        clock,
        sound::{SILENCE, device::stream::Counters},
    };

    /// A device of 44.1 kHz that takes 20 ms at a time and plays them 30 ms later.
    struct Device {
        ring: rtrb::Consumer<f32>,
        counters: Arc<Counters>,
    }

    const PORTION: usize = 882;

    impl Device {
        fn open(now: Instant) -> (Self, Speaker) {
            let (producer, ring) = rtrb::RingBuffer::new(44_100 / 5);
            let counters = Arc::<Counters>::default();
            counters.set_delay(Duration::from_millis(30));
            let ring_end = Ring::ToPlay(producer);
            let stream = Stream::new("device".to_owned(), 44_100, ring_end, counters.clone());
            let line = Line::with(Kind::Speaker, stream, now);
            let resampler = Resampler::new(SAMPLE_RATE, 44_100).ok();
            (Self { ring, counters }, Speaker { line, resampler, ..Speaker::new(None, now) })
        }

        fn take(&mut self) {
            let missing = (0..PORTION).filter(|_| self.ring.pop().is_err()).count();
            if missing > 0 {
                self.counters.add_gap(missing);
            }
            self.counters.add(PORTION);
        }
    }

    fn fill(speaker: &mut Speaker, now: Instant) {
        assert_eq!(speaker.poll(now), None);
        while speaker.is_due(now) {
            speaker.put(&SILENCE);
        }
    }

    #[test]
    fn a_block_is_heard_after_all_that_waits() {
        let now = clock::now();
        let (mut device, mut speaker) = Device::open(now);
        assert_eq!(Speaker::new(None, now).delay(), Duration::ZERO, "none is open");
        device.take();
        fill(&mut speaker, now);
        // 30 ms in the device, its portion of 20, and 20 and a reserve of 10 that wait; in whole blocks.
        let delay = speaker.delay().as_secs_f64();
        assert!((0.079..0.091).contains(&delay), "{delay}");
        // A gap makes the reserve longer.
        device.take();
        device.take();
        fill(&mut speaker, now + Duration::from_secs(1));
        let longer = speaker.delay().as_secs_f64();
        assert!((0.089..0.101).contains(&longer), "{longer}");
    }

    /// Half a second, where a fifth can wait.
    #[test]
    fn a_device_that_wants_more_than_can_wait_gets_what_there_is_room_for() {
        let now = clock::now();
        let (device, mut speaker) = Device::open(now);
        device.counters.add(22_050);
        fill(&mut speaker, now);
        let stream = speaker.line.stream().unwrap();
        assert!(waiting(stream) > capacity(stream) - 2 * PORTION);
    }

    #[test]
    fn a_gap_is_told_once_and_as_long_as_it_was() {
        let now = clock::now();
        let (mut device, mut speaker) = Device::open(now);
        device.take();
        speaker.missed();
        fill(&mut speaker, now);
        assert_eq!(speaker.missed(), 0);
        let waiting = waiting(speaker.line.stream().unwrap());
        device.take();
        device.take();
        let missing = 2 * PORTION - waiting;
        assert_eq!(speaker.missed(), missing * 480 / 441);
        assert_eq!(speaker.missed(), 0);
    }
}
