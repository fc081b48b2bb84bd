//! RTP packets of a stranger, in any order: pictures come out as H.264 byte streams, and never more
//! than came in.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::pictures;

/// Of one packet: sequence number, flags and wait, length of the payload.
const HEADER: usize = 4;

fn packets(mut bytes: &[u8]) -> Vec<(u16, bool, &[u8], Duration)> {
    let mut packets = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let [high, low, flags, length] = *header;
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        let after = Duration::from_millis(u64::from(flags >> 1));
        packets.push((u16::from_be_bytes([high, low]), flags & 1 == 1, payload, after));
        bytes = rest;
    }
    packets
}

fuzz_target!(|bytes: &[u8]| {
    let packets = packets(bytes);
    let received: usize = packets.iter().map(|(_, _, payload, _)| payload.len()).sum();
    let pictures = pictures(packets);
    for picture in pictures.iter().flatten() {
        assert!(picture.is_empty() || picture.starts_with(&[0, 0, 0, 1]));
    }
    // A unit of an aggregate has two bytes before it, and gets four.
    let shown: usize = pictures.iter().flatten().map(Vec::len).sum();
    assert!(shown <= 5 * received, "{shown} bytes of {received}");
});
