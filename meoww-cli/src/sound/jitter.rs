//! The jitter buffer: packets of the partner in the order they were sent, and how long they wait.
//!
//! Pure: time is an argument, since any fixed moment. Bounded in packets, whatever comes.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;

use super::{
    clock::{self, SenderClock},
    codec,
    delay::DelayTarget,
    room::{MAX_OPUS_BYTES, OpusPacket},
};

/// Packets that wait, at most: 2 s of frames of 20 ms. Beyond that the oldest are dropped.
const MAX_PACKETS: usize = 100;
/// A sequence number so far from the last one, or a former one with another time, is of a stream that began
/// anew, if a second one confirms it (RFC 3550, appendix A.1).
const MAX_STEP: u16 = 500;
/// A timestamp so many seconds off its time begins a new stream.
const MAX_OFFSET: f64 = 1.0;
/// So long after a new source began, packets of the former one are late and not new again.
const FORMER: Duration = Duration::from_secs(2);

/// A packet that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Queued {
    /// Its sequence number, which does not wrap.
    pub(crate) index: i64,
    /// Its timestamp, which does not wrap, in samples.
    pub(crate) timestamp: i64,
    /// Samples in it.
    pub(crate) samples: i64,
    /// An Opus packet.
    pub(crate) payload: Bytes,
}

/// Counts of the packets of a stream so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Packets that came, once each.
    pub(crate) received: u64,
    /// Packets that did not come, so far.
    pub(crate) lost: u64,
    /// Packets that came too late to be played.
    pub(crate) late: u64,
    /// Packets that were not used: duplicates, no Opus, too many at once, of a former source.
    pub(crate) dropped: u64,
}

/// One source, as far as it was received.
#[derive(Debug)]
struct Stream {
    ssrc: u32,
    /// Of the packet with the highest sequence number.
    highest: i64,
    timestamp: i64,
    /// Which of the 64 packets up to the highest were received, the highest in bit 0.
    received: u64,
    /// Of the last packet that was taken.
    taken: Option<i64>,
    /// The sequence number that would confirm a jump.
    confirms: Option<u16>,
}

/// See above.
#[derive(Debug, Default)]
pub(crate) struct JitterBuffer {
    packets: BTreeMap<i64, Queued>,
    stream: Option<Stream>,
    former: Option<(u32, Duration)>,
    clock: SenderClock,
    delay: DelayTarget,
    counts: Counts,
}

impl JitterBuffer {
    /// Takes a packet that came `arrived`. Returns whether a new stream begins with it, and all that
    /// waited is forgotten.
    pub(crate) fn push(&mut self, packet: OpusPacket, arrived: Duration) -> bool {
        let samples = codec::samples_in(&packet.payload);
        let Some(samples) = samples.filter(|_| packet.payload.len() <= MAX_OPUS_BYTES) else {
            self.counts.dropped += 1;
            return false;
        };
        let Some(stream) = &mut self.stream else { return self.begin(packet, samples, arrived) };
        if packet.ssrc != stream.ssrc {
            return match self.former {
                Some((former, until)) if former == packet.ssrc && arrived < until => self.refuse(),
                Some(_) | None => {
                    self.former = Some((stream.ssrc, arrived + FORMER));
                    self.begin(packet, samples, arrived)
                }
            };
        }
        let step = packet.sequence.wrapping_sub(stream.highest as u16).cast_signed();
        let timestamp = packet.timestamp.wrapping_sub(stream.timestamp as u32).cast_signed();
        let timestamp = stream.timestamp + i64::from(timestamp);
        let base = self.clock.base(arrived).unwrap_or_default();
        let lateness = clock::offset(timestamp, arrived) - base;
        let is_off = lateness.abs() > MAX_OFFSET;
        if step.unsigned_abs() > MAX_STEP || is_off && step <= 0 {
            if stream.confirms == Some(packet.sequence) {
                return self.begin(packet, samples, arrived);
            }
            stream.confirms = Some(packet.sequence.wrapping_add(1));
            return self.refuse();
        }
        stream.confirms = None;
        if is_off {
            return self.begin(packet, samples, arrived);
        }
        let Some(missing) = stream.receive(step, timestamp) else { return self.refuse() };
        let index = if step > 0 { stream.highest } else { stream.highest + i64::from(step) };
        self.clock.observe(timestamp, arrived);
        self.delay.observe(lateness, missing);
        self.counts.received += 1;
        self.counts.lost = self.counts.lost.saturating_add_signed(missing.into());
        if stream.taken.is_some_and(|taken| index <= taken) {
            self.counts.late += 1;
            return false;
        }
        self.queue(Queued { index, timestamp, samples: samples as i64, payload: packet.payload });
        false
    }

    /// The oldest packet that waits.
    pub(crate) fn next(&self) -> Option<&Queued> {
        self.packets.first_key_value().map(|(_, packet)| packet)
    }

    /// Takes the oldest packet. Packets that were sent before it are late from now on.
    pub(crate) fn take(&mut self) -> Option<Queued> {
        let (index, packet) = self.packets.pop_first()?;
        if let Some(stream) = &mut self.stream {
            stream.taken = Some(index);
        }
        Some(packet)
    }

    /// Whether packets are missing between the last that was taken and the next.
    pub(crate) fn is_after_loss(&self) -> bool {
        let taken = self.stream.as_ref().and_then(|stream| stream.taken);
        taken.zip(self.next()).is_some_and(|(taken, next)| next.index > taken + 1)
    }

    /// How many packets wait.
    pub(crate) fn len(&self) -> usize {
        self.packets.len()
    }

    /// Seconds by which a sample of `timestamp`, played `now`, is behind the arrival of a packet that
    /// nothing delays. 0 before the first packet.
    pub(crate) fn delay(&self, timestamp: i64, now: Duration) -> f64 {
        self.clock.base(now).map_or(0.0, |base| clock::offset(timestamp, now) - base)
    }

    /// Seconds that this delay should be.
    pub(crate) fn target(&self) -> f64 {
        self.delay.seconds()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// See [`SenderClock::drift_ppm`].
    pub(crate) fn drift_ppm(&self) -> f64 {
        self.clock.drift_ppm()
    }

    /// The whole timestamp that is nearest to the newest packet, of one that wraps.
    pub(crate) fn unwrapped(&self, timestamp: u32) -> Option<i64> {
        let newest = self.stream.as_ref()?.timestamp;
        Some(newest + i64::from(timestamp.wrapping_sub(newest as u32).cast_signed()))
    }

    fn begin(&mut self, packet: OpusPacket, samples: usize, arrived: Duration) -> bool {
        let (index, timestamp) = (i64::from(packet.sequence), i64::from(packet.timestamp));
        self.packets.clear();
        self.clock = SenderClock::default();
        self.clock.observe(timestamp, arrived);
        self.counts.received += 1;
        self.stream = Some(Stream {
            ssrc: packet.ssrc,
            highest: index,
            timestamp,
            received: 1,
            taken: None,
            confirms: None,
        });
        self.queue(Queued { index, timestamp, samples: samples as i64, payload: packet.payload });
        true
    }

    fn queue(&mut self, packet: Queued) {
        self.packets.insert(packet.index, packet);
        while self.packets.len() > MAX_PACKETS {
            self.packets.pop_first();
            self.counts.dropped += 1;
        }
    }

    fn refuse(&mut self) -> bool {
        self.counts.dropped += 1;
        false
    }
}

impl Stream {
    /// Notes the packet so many steps after the highest. Returns how many more are missing now, -1
    /// for one that was; `None` for one that is there already.
    fn receive(&mut self, step: i16, timestamp: i64) -> Option<i32> {
        if step > 0 {
            self.highest += i64::from(step);
            self.timestamp = timestamp;
            self.received = self.received.checked_shl(step.unsigned_abs().into()).unwrap_or(0) | 1;
            return Some(i32::from(step) - 1);
        }
        let bit = 1_u64.checked_shl(step.unsigned_abs().into())?;
        let is_new = self.received & bit == 0;
        self.received |= bit;
        is_new.then_some(-1)
    }
}

#[cfg(test)]
#[path = "jitter_tests.rs"]
mod tests;
