//! The decoders of bytes from outside, for the fuzz targets and nobody else: each gives what it
//! made of its input in types that can be compared there.

use std::{
    pin::pin,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::{
    clock,
    peer::{
        control::Control,
        handshake::Repeats,
        remote::{self, Kind},
        stream_relays::frames,
        tracks::assemble::{Assembler, Packet, Unit},
    },
    sound::{
        Block, SAMPLE_RATE,
        limiter::Limiter,
        playout::Playout,
        room::{OpusPacket, Received},
    },
};

/// A message on the data channel, as it would be said again.
pub fn control(message: &[u8]) -> Option<String> {
    Control::parse(message).map(Control::to_json)
}

/// A description that can be used.
#[derive(Debug)]
pub struct Description {
    /// The sections that are used.
    pub sdp: String,
    /// Whether the partner may send sound.
    pub sends_sound: bool,
    /// Whether it takes sound.
    pub wants_sound: bool,
}

/// Reads the description of an offer, or else of an answer.
pub fn description(json: &str, is_offer: bool) -> Option<Description> {
    let json = RawValue::from_string(json.to_owned()).ok()?;
    let due = if is_offer { Kind::Offer } else { Kind::Answer };
    let (_, usable) = remote::description(&json, due).ok()?;
    let (sends_sound, wants_sound) = (usable.sends_sound, usable.wants_sound);
    Some(Description { sdp: usable.sdp, sends_sound, wants_sound })
}

/// What a candidate says.
pub fn candidate(json: &str) -> Option<String> {
    let json = RawValue::from_string(json.to_owned()).ok()?;
    remote::candidate(&json).map(|trickled| trickled.candidate.text().to_owned())
}

/// How many copies of one packet of a DTLS handshake are sent, after these came.
pub fn handshake_copies<'a>(packets: impl IntoIterator<Item = &'a [u8]>) -> usize {
    let mut repeats = Repeats::default();
    repeats.sent(clock::now(), ());
    for packet in packets {
        repeats.received(packet);
    }
    let mut copies = 0;
    while let Some(due) = repeats.due() {
        copies += repeats.take_due(due).len();
    }
    copies
}

/// The messages in a relay's stream, up to its end or to what is none.
pub fn relay_messages(mut stream: &[u8]) -> Vec<Vec<u8>> {
    let mut waits = Context::from_waker(Waker::noop());
    let mut next = || match pin!(frames::read(&mut stream)).poll(&mut waits) {
        Poll::Ready(message) => message.ok(),
        Poll::Pending => None,
    };
    std::iter::from_fn(&mut next).collect()
}

/// A stream of these.
pub fn relay_stream(messages: &[Vec<u8>]) -> Vec<u8> {
    messages.iter().flat_map(|message| frames::written(message).into_owned()).collect()
}

/// The pictures in RTP packets, `None` for one that is lost: each packet is its sequence number,
/// its marker, its payload, and how long after the one before it comes.
pub fn pictures<'a>(
    packets: impl IntoIterator<Item = (u16, bool, &'a [u8], Duration)>,
) -> Vec<Option<Vec<u8>>> {
    let (mut assembler, mut now) = (Assembler::default(), clock::now());
    let mut pictures = Vec::new();
    for (sequence, marker, payload, after) in packets {
        now += after;
        let payload = Bytes::copy_from_slice(payload);
        assembler.push(Packet { sequence, marker, timestamp: 0, payload }, now);
        let units = std::iter::from_fn(|| assembler.pop(now));
        pictures.extend(units.map(|unit| match unit {
            Unit::Whole(stream, _) => Some(stream),
            Unit::Lost => None,
        }));
    }
    pictures
}

/// What is played of RTP packets, in blocks of 10 ms: each packet is its source, sequence number,
/// timestamp and payload, and how long after the one before it comes.
pub fn sound<'a>(
    packets: impl IntoIterator<Item = (u32, u16, u32, &'a [u8], Duration)>,
) -> Vec<Block> {
    let mut now = clock::now();
    let (Ok(mut playout), mut limiter) = (Playout::new(now), Limiter::default()) else {
        return Vec::new();
    };
    let mut blocks = Vec::new();
    for (ssrc, sequence, timestamp, payload, after) in packets {
        let due = after.as_millis() / 10;
        for _ in 0..due {
            let mut block = [0.0; _];
            playout.play(now, &mut block);
            limiter.process(&mut block);
            blocks.push(block);
            now += Duration::from_millis(10);
        }
        let payload = Bytes::copy_from_slice(payload);
        let packet = OpusPacket { ssrc, sequence, timestamp, payload, arrived: now };
        playout.receive(Received::Packet(packet));
        let ntp = u64::from(timestamp) * (1 << 32) / u64::from(SAMPLE_RATE);
        playout.receive(Received::SenderReport { ntp, timestamp });
        playout.playing(now);
    }
    blocks
}
