//! RTP payloads of one picture to an H.264 byte stream (RFC 6184, packetization mode 1).
//!
//! Not the one of the `rtc` crate: that reads past the end of an aggregation packet of odd length,
//! and keeps a fragment for as long as its sender likes.

use thiserror::Error;

const START_CODE: [u8; 4] = [0, 0, 0, 1];
const TYPE_BITS: u8 = 0x1f;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;
const SPS: u8 = 7;

/// The payloads are not those of a whole picture.
#[derive(Debug, Error, PartialEq, Eq)]
#[error("malformed H.264 payload")]
pub(super) struct Malformed;

/// Annex B byte stream of a picture, from its payloads in order.
pub(super) fn depacketize<'a>(
    payloads: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<u8>, Malformed> {
    let mut stream = Vec::new();
    let mut in_fragment = false;
    for payload in payloads {
        let kind = payload.first().ok_or(Malformed)? & TYPE_BITS;
        if in_fragment && kind != FU_A {
            return Err(Malformed);
        }
        match kind {
            1..=23 => push(&mut stream, payload),
            STAP_A => aggregated(&mut stream, &payload[1..])?,
            FU_A => in_fragment = fragment(&mut stream, payload, in_fragment)?,
            _ => return Err(Malformed),
        }
    }
    if in_fragment { Err(Malformed) } else { Ok(stream) }
}

/// Whether a picture that needs no other begins with this payload.
pub(super) fn starts_key_frame(payload: &[u8]) -> bool {
    match payload {
        [kind, _, _, first, ..] if kind & TYPE_BITS == STAP_A => first & TYPE_BITS == SPS,
        [kind, ..] => kind & TYPE_BITS == SPS,
        [] => false,
    }
}

fn push(stream: &mut Vec<u8>, unit: &[u8]) {
    stream.extend_from_slice(&START_CODE);
    stream.extend_from_slice(unit);
}

/// Several NAL units, each after its length in two bytes (section 5.7.1).
fn aggregated(stream: &mut Vec<u8>, mut units: &[u8]) -> Result<(), Malformed> {
    while !units.is_empty() {
        let (length, rest) = units.split_first_chunk::<2>().ok_or(Malformed)?;
        let (unit, rest) =
            rest.split_at_checked(u16::from_be_bytes(*length).into()).ok_or(Malformed)?;
        push(stream, unit);
        units = rest;
    }
    Ok(())
}

/// A part of a NAL unit (section 5.8); says whether more of it must follow.
fn fragment(stream: &mut Vec<u8>, payload: &[u8], in_fragment: bool) -> Result<bool, Malformed> {
    let [indicator, header, part @ ..] = payload else {
        return Err(Malformed);
    };
    let (starts, ends) = (header & 0x80 != 0, header & 0x40 != 0);
    if starts == in_fragment {
        return Err(Malformed);
    }
    if starts {
        push(stream, &[indicator & !TYPE_BITS | header & TYPE_BITS]);
    }
    stream.extend_from_slice(part);
    Ok(!ends)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use proptest::prelude::*;
    use rtc::rtp::{codec::h264::H264Payloader, packetizer::Payloader};

    use super::*;

    fn all(payloads: &[&[u8]]) -> Result<Vec<u8>, Malformed> {
        depacketize(payloads.iter().copied())
    }

    #[test]
    fn each_kind_of_payload() {
        assert_eq!(all(&[&[0x65, 1, 2]]), Ok(vec![0, 0, 0, 1, 0x65, 1, 2]));
        assert_eq!(
            all(&[&[0x78, 0, 2, 0x67, 1, 0, 1, 0x68]]),
            Ok(vec![0, 0, 0, 1, 0x67, 1, 0, 0, 0, 1, 0x68])
        );
        assert_eq!(
            all(&[&[0x7c, 0x85, 1], &[0x7c, 0x05, 2], &[0x7c, 0x45, 3]]),
            Ok(vec![0, 0, 0, 1, 0x65, 1, 2, 3])
        );
    }

    #[test]
    fn parts_are_refused() {
        assert_eq!(all(&[&[0x7c, 0x05, 2]]), Err(Malformed));
        assert_eq!(all(&[&[0x7c, 0x85, 2]]), Err(Malformed));
        assert_eq!(all(&[&[0x7c, 0x85, 2], &[0x65, 1]]), Err(Malformed));
        assert_eq!(all(&[&[0x78, 0]]), Err(Malformed));
        assert_eq!(all(&[&[0x78, 0, 9, 1]]), Err(Malformed));
        assert_eq!(all(&[&[]]), Err(Malformed));
    }

    proptest! {
        /// Puts together again the pictures that the sending half of the `rtc` crate takes apart.
        #[test]
        fn undoes_the_payloader(units in prop::collection::vec((1u8..6, 1usize..4000), 1..5)) {
            let stream = units.iter().fold(Vec::new(), |mut stream, (kind, length)| {
                push(&mut stream, &[&[0x60 | kind][..], &vec![0xaa; *length]].concat());
                stream
            });
            let payloads = H264Payloader::default().payload(1200, &Bytes::from(stream.clone())).unwrap();
            prop_assert_eq!(depacketize(payloads.iter().map(|bytes| &bytes[..])), Ok(stream));
        }

        #[test]
        fn noise_never_panics(payloads in prop::collection::vec(
            prop::collection::vec(any::<u8>(), 0..20), 0..6,
        )) {
            let _ = depacketize(payloads.iter().map(|payload| &payload[..]));
            let _ = payloads.iter().filter(|payload| starts_key_frame(payload)).count();
        }
    }
}
