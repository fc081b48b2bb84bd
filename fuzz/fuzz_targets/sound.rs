//! RTP packets of a stranger's sound, in any order: every block is one that a speaker can play.
#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::sound;

/// Of one packet: source and wait, sequence number, timestamp in units of 2.5 ms, length of the payload.
const HEADER: usize = 6;

fn packets(mut bytes: &[u8]) -> Vec<(u32, u16, u32, &[u8], Duration)> {
    let mut packets = Vec::new();
    while let Some((header, rest)) = bytes.split_first_chunk::<HEADER>() {
        let [flags, sequence @ .., length] = *header;
        let [high, low, time @ ..] = sequence;
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        let after = Duration::from_millis(u64::from(flags >> 1));
        let timestamp = u32::from(u16::from_be_bytes(time)).wrapping_mul(120);
        let sequence = u16::from_be_bytes([high, low]);
        packets.push((u32::from(flags & 1), sequence, timestamp, payload, after));
        bytes = rest;
    }
    packets
}

fuzz_target!(|bytes: &[u8]| {
    for block in sound(packets(bytes)) {
        assert!(block.iter().all(|sample| sample.abs() < 0.9), "louder than the limiter allows");
    }
});
