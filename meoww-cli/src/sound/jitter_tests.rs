use std::sync::OnceLock;

use super::*;
use crate::sound::testing::{encoded, tone};

fn payload() -> Bytes {
    static PAYLOAD: OnceLock<Bytes> = OnceLock::new();
    PAYLOAD.get_or_init(|| encoded(&tone(1))[10].payload.clone()).clone()
}

/// Pushes packets of source 7; returns which of them began a stream.
fn push(buffer: &mut JitterBuffer, packets: &[(u16, u32)]) -> Vec<bool> {
    let payload = payload();
    let packets = packets.iter().map(|(sequence, timestamp)| OpusPacket {
        ssrc: 7,
        sequence: *sequence,
        timestamp: *timestamp,
        payload: payload.clone(),
        arrived: crate::clock::now(),
    });
    packets.map(|packet| buffer.push(packet, Duration::from_secs(1))).collect()
}

fn taken(buffer: &mut JitterBuffer) -> Vec<i64> {
    std::iter::from_fn(|| buffer.take()).map(|packet| packet.index).collect()
}

#[test]
fn packets_are_put_in_order_and_duplicates_dropped() {
    let mut buffer = JitterBuffer::default();
    push(&mut buffer, &[(10, 0), (12, 1920), (11, 960), (12, 1920), (10, 0)]);
    assert_eq!(taken(&mut buffer), [10, 11, 12]);
    let expected = Counts { received: 3, lost: 0, late: 0, dropped: 2 };
    assert_eq!(buffer.counts(), expected);
}

#[test]
fn sequence_numbers_and_timestamps_wrap() {
    let mut buffer = JitterBuffer::default();
    let began = push(&mut buffer, &[(65_535, u32::MAX - 959), (0, 0), (1, 960)]);
    assert_eq!(began, [true, false, false]);
    let packets: Vec<Queued> = std::iter::from_fn(|| buffer.take()).collect();
    let steps = |of: fn(&Queued) -> i64| -> Vec<i64> {
        packets.windows(2).map(|pair| of(&pair[1]) - of(&pair[0])).collect()
    };
    assert_eq!(steps(|packet| packet.index), [1, 1]);
    assert_eq!(steps(|packet| packet.timestamp), [960, 960]);
}

#[test]
fn a_late_packet_is_counted_and_not_played() {
    let mut buffer = JitterBuffer::default();
    push(&mut buffer, &[(10, 0), (12, 1920)]);
    assert_eq!(buffer.counts().lost, 1);
    assert!(!buffer.is_after_loss());
    buffer.take();
    assert!(buffer.is_after_loss());
    buffer.take();
    push(&mut buffer, &[(11, 960)]);
    assert_eq!(taken(&mut buffer), [0; 0]);
    assert_eq!(buffer.counts(), Counts { received: 3, lost: 0, late: 1, dropped: 0 });
}

#[test]
fn a_stream_that_begins_anew_is_believed_when_it_goes_on() {
    let mut buffer = JitterBuffer::default();
    push(&mut buffer, &[(10, 0)]);
    let began = push(&mut buffer, &[(30_000, 5_000_000), (11, 960), (30_001, 5_000_960)]);
    assert_eq!(began, [false; 3], "one stray packet is no stream");
    let began = push(&mut buffer, &[(30_002, 5_001_920), (30_003, 5_002_880)]);
    assert_eq!(began, [true, false], "two in a row are");
    assert_eq!(taken(&mut buffer), [30_002, 30_003]);
}

/// A sender that begins anew has any number and any time, also a number of late.
#[test]
fn a_stream_that_begins_anew_is_heard_whatever_its_number() {
    for first in 0..=u16::MAX {
        if !first.is_multiple_of(1_000) && first.abs_diff(1_000) > 600 {
            continue;
        }
        let mut buffer = JitterBuffer::default();
        push(&mut buffer, &[(999, 0), (1_000, 960)]);
        let anew: Vec<(u16, u32)> = (0..4)
            .map(|at| (first.wrapping_add(at), 3_000_000_000 + u32::from(at) * 960))
            .collect();
        let began = push(&mut buffer, &anew);
        assert_eq!(began.iter().filter(|began| **began).count(), 1, "{first}");
        assert!(began[0] || began[1], "{first}");
    }
}

#[test]
fn a_jump_of_the_timestamp_begins_anew() {
    let mut buffer = JitterBuffer::default();
    for jump in [100_000, u32::MAX / 2, u32::MAX - 100_000] {
        let (first, second) = (buffer.counts().received as u16, jump);
        push(&mut buffer, &[(first, 0)]);
        assert_eq!(push(&mut buffer, &[(first + 1, second)]), [true], "{jump}");
        assert_eq!(taken(&mut buffer), [i64::from(first) + 1]);
    }
}

#[test]
fn a_new_source_replaces_the_former_one() {
    let mut buffer = JitterBuffer::default();
    let packet = |ssrc| OpusPacket {
        ssrc,
        sequence: 1,
        timestamp: 0,
        payload: payload(),
        arrived: crate::clock::now(),
    };
    let at = Duration::from_secs;
    let mut push = |ssrc, seconds| buffer.push(packet(ssrc), at(seconds));
    assert_eq!([push(1, 1), push(2, 2), push(1, 3), push(1, 5)], [true, true, false, true]);
}

#[test]
fn a_flood_is_bounded_and_the_newest_stay() {
    let mut buffer = JitterBuffer::default();
    let flood: Vec<(u16, u32)> = (0..400).map(|at| (at, u32::from(at) * 120)).collect();
    push(&mut buffer, &flood);
    assert_eq!(buffer.len(), MAX_PACKETS);
    assert_eq!(buffer.next().unwrap().index, 300);
}

#[test]
fn what_is_no_opus_is_dropped() {
    let mut buffer = JitterBuffer::default();
    let mut push = |payload: &[u8]| {
        let payload = Bytes::copy_from_slice(payload);
        let (arrived, ssrc) = (crate::clock::now(), 7);
        let packet = OpusPacket { ssrc, sequence: 1, timestamp: 0, payload, arrived };
        buffer.push(packet, Duration::ZERO)
    };
    // Nothing; a count of frames missing, and of zero; 63 frames of 20 ms; more than a frame can be.
    for bad in [&[][..], &[0x03], &[0x03, 0x00], &[0x0b, 63], &[0xfc; MAX_OPUS_BYTES + 1]] {
        assert!(!push(bad), "{bad:?}");
    }
    assert_eq!(buffer.counts().dropped, 5);
    assert!(buffer.next().is_none());
}
