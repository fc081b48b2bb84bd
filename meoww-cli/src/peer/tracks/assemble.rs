//! RTP packets, in whatever order they come, to whole pictures in order.
//!
//! Not the `SampleBuilder` of the `rtc` crate, which holds a picture back until the next one begins
//! (33 ms of latency) and takes 16 MB a stream.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::depacketize::{depacketize, starts_key_frame};

/// How long a missing packet is waited for: so many round trips, as a request or its answer may be lost,
/// and what senders take.
const ROUND_TRIPS: u32 = 2;
const SENDING: Duration = Duration::from_millis(200);
/// At least and at most. Less than a picture that stands, a key frame would take as long.
const PATIENCE: std::ops::RangeInclusive<Duration> =
    Duration::from_millis(220)..=Duration::from_millis(1_000);
/// Packets held at most: about two seconds of video.
const MAX_HELD: usize = 512;

/// The fields of an RTP packet that assembly needs.
pub(crate) struct Packet {
    pub(crate) sequence: u16,
    /// Last of its picture.
    pub(crate) marker: bool,
    /// That of its picture, at 90 kHz.
    pub(crate) timestamp: u32,
    pub(crate) payload: Bytes,
}

/// A picture that is whole, or one that is lost.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// A picture, as an Annex B byte stream, and its RTP timestamp.
    Whole(Vec<u8>, u32),
    /// At least one picture is gone: the next ones may refer to it.
    Lost,
}

/// Puts packets in order.
pub(crate) struct Assembler {
    /// By extended sequence number (RFC 3550, appendix A.1).
    held: BTreeMap<i64, (Packet, Instant)>,
    /// Extended sequence number of the first packet not handed out yet.
    next: Option<i64>,
    patience: Duration,
}

impl Default for Assembler {
    fn default() -> Self {
        Self { held: BTreeMap::new(), next: None, patience: *PATIENCE.start() }
    }
}

impl Assembler {
    /// Missing packets are waited for as long as it takes to get them on a path of this length: a
    /// picture that comes late is better than a key frame, which comes later.
    pub(crate) fn set_round_trip(&mut self, round_trip: Duration) {
        self.patience =
            (ROUND_TRIPS * round_trip + SENDING).clamp(*PATIENCE.start(), *PATIENCE.end());
    }

    /// Takes a packet; late and doubled ones are ignored.
    pub(crate) fn push(&mut self, packet: Packet, now: Instant) {
        let next = *self.next.get_or_insert(i64::from(packet.sequence));
        let distance = packet.sequence.wrapping_sub(next as u16) as i16;
        if distance >= 0 {
            self.held.entry(next + i64::from(distance)).or_insert((packet, now));
        }
    }

    /// The next picture, or word of its loss; `None` when it is neither whole nor given up. To be
    /// called until then.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<Unit> {
        let next = self.next?;
        let run = self.held.range(next..).zip(next..);
        let mut run = run.take_while(|((sequence, _), expected)| **sequence == *expected);
        if let Some(((last, _), _)) = run.find(|((_, (packet, _)), _)| packet.marker) {
            return Some(self.take_picture(*last));
        }
        let (_, oldest) = self.held.values().next()?;
        let waited = now.saturating_duration_since(*oldest);
        (waited >= self.patience || self.held.len() > MAX_HELD).then(|| self.give_up())
    }

    /// Whether nothing waits, so that time changes nothing.
    pub(crate) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    fn take_picture(&mut self, last: i64) -> Unit {
        let rest = self.held.split_off(&(last + 1));
        let picture = std::mem::replace(&mut self.held, rest);
        self.next = Some(last + 1);
        let timestamp = picture.get(&last).map_or(0, |(packet, _)| packet.timestamp);
        // Empty payloads are padding, by which senders probe for bandwidth.
        let payloads = picture.values().map(|(packet, _)| &packet.payload[..]);
        match depacketize(payloads.filter(|payload| !payload.is_empty())) {
            Ok(stream) => Unit::Whole(stream, timestamp),
            Err(_) => Unit::Lost,
        }
    }

    /// Skips to where a picture may begin: after the first gap, a key frame or what follows a
    /// marker.
    fn give_up(&mut self) -> Unit {
        let mut expected = self.next.unwrap_or_default();
        let (mut past_gap, mut past_marker) = (false, false);
        let mut resume = None;
        for (sequence, (packet, _)) in &self.held {
            past_gap |= *sequence != expected;
            expected = *sequence + 1;
            if past_gap && (past_marker || starts_key_frame(&packet.payload)) {
                resume = Some(*sequence);
                break;
            }
            past_marker |= past_gap && packet.marker;
        }
        let resume = resume.unwrap_or(expected);
        self.held = self.held.split_off(&resume);
        self.next = Some(resume);
        Unit::Lost
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::clock;

    /// Picture `n` of `parts` packets; the first is a key frame's when `key`.
    fn picture(n: u8, parts: u16, first: u16, key: bool) -> impl Iterator<Item = Packet> {
        (0..parts).map(move |part| Packet {
            sequence: first.wrapping_add(part),
            marker: part + 1 == parts,
            timestamp: u32::from(n) * 3_000,
            payload: Bytes::from(vec![if key && part == 0 { 0x67 } else { 0x61 }, n]),
        })
    }

    fn pop_all(assembler: &mut Assembler, now: Instant) -> Vec<Unit> {
        std::iter::from_fn(|| assembler.pop(now)).collect()
    }

    fn number(unit: &Unit) -> Option<u8> {
        match unit {
            Unit::Whole(stream, timestamp) => {
                stream.last().copied().filter(|n| u32::from(*n) * 3_000 == *timestamp)
            }
            Unit::Lost => None,
        }
    }

    #[test]
    fn a_picture_is_out_with_its_last_packet() {
        let (mut assembler, now) = (Assembler::default(), clock::now());
        for packet in picture(1, 3, u16::MAX - 1, true) {
            assert_eq!(assembler.pop(now), None);
            assembler.push(packet, now);
        }
        assert!(matches!(assembler.pop(now), Some(Unit::Whole(..))));
        assert_eq!(assembler.pop(now), None);
    }

    #[test]
    fn a_gap_is_waited_for_and_then_given_up_once() {
        let (mut assembler, start) = (Assembler::default(), clock::now());
        let packets: Vec<_> =
            (0..6u8).flat_map(|n| picture(n, 2, u16::from(n) * 2, n == 4)).collect();
        // The second packet of picture 1 never comes.
        for packet in packets.into_iter().filter(|packet| packet.sequence != 3) {
            assembler.push(packet, start);
        }
        let patience = *PATIENCE.start();
        let early = pop_all(&mut assembler, start + patience / 2);
        assert_eq!(early.iter().map(number).collect::<Vec<_>>(), [Some(0)]);
        let late = pop_all(&mut assembler, start + patience);
        let late: Vec<_> = late.iter().map(number).collect();
        assert_eq!(late, [None, Some(3), Some(4), Some(5)]);
    }

    /// Over 150 ms each way, what is sent again comes 300 ms after it was asked for.
    #[test]
    fn on_a_long_path_a_gap_is_waited_for_longer() {
        let (mut assembler, start) = (Assembler::default(), clock::now());
        assembler.set_round_trip(Duration::from_millis(300));
        for packet in picture(0, 1, 0, true).chain(picture(2, 1, 2, false)) {
            assembler.push(packet, start);
        }
        assert_eq!(pop_all(&mut assembler, start).len(), 1);
        let later = start + Duration::from_millis(400);
        assert_eq!(assembler.pop(later), None);
        assembler.push(picture(1, 1, 1, false).next().unwrap(), later);
        assert_eq!(
            pop_all(&mut assembler, later).iter().map(number).collect::<Vec<_>>(),
            [Some(1), Some(2)]
        );
    }

    proptest! {
        /// However packets are shuffled (by less than half the sequence space) and doubled, every
        /// picture comes out once and in order.
        #[test]
        fn order_is_restored(
            first: u16, parts in prop::collection::vec(1u16..6, 1..20),
            keys in prop::collection::vec(0usize..12, 120),
        ) {
            let (mut assembler, now) = (Assembler::default(), clock::now());
            let mut sequence = first;
            let mut packets = Vec::new();
            for (n, parts) in parts.iter().enumerate() {
                packets.extend(picture(n as u8, *parts, sequence, n == 0));
                sequence = sequence.wrapping_add(*parts);
            }
            let mut shuffled: Vec<_> = packets.into_iter().enumerate().skip(1).collect();
            shuffled.sort_by_key(|(place, _)| place + keys[*place]);
            assembler.push(picture(0, parts[0], first, true).next().unwrap(), now);
            let mut out = pop_all(&mut assembler, now);
            for (_, packet) in shuffled {
                let twin = Packet { payload: packet.payload.clone(), ..packet };
                assembler.push(packet, now);
                assembler.push(twin, now);
                out.extend(pop_all(&mut assembler, now));
            }
            let out: Vec<_> = out.iter().map(number).collect();
            prop_assert_eq!(out, (0..parts.len()).map(|n| Some(n as u8)).collect::<Vec<_>>());
        }

        /// Whatever a peer sends, memory stays bounded and nothing panics.
        #[test]
        fn noise_is_bounded(packets in prop::collection::vec(
            (any::<u16>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..4), 0u64..50), 0..2000,
        )) {
            let (mut assembler, mut now) = (Assembler::default(), clock::now());
            for (sequence, marker, payload, wait) in packets {
                now += Duration::from_millis(wait);
                let packet = Packet { sequence, marker, timestamp: 0, payload: payload.into() };
                assembler.push(packet, now);
                pop_all(&mut assembler, now);
                prop_assert!(assembler.held.len() <= MAX_HELD);
            }
        }
    }
}
