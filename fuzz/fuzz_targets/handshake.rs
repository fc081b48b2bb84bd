//! Packets of a stranger in a DTLS handshake: what this side sent is repeated until it is answered, and
//! six times at most.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::handshake_copies;

/// Length of a record's header, and the kinds of records that can be an answer (RFC 6347, section 4.1).
const HEADER: usize = 13;
const ANSWERS: [u8; 2] = [22, 23];

/// The packets, each after a byte that says how long it is.
fn packets(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut packets = Vec::new();
    while let Some((length, rest)) = bytes.split_first() {
        let (packet, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        packets.push(packet);
        bytes = rest;
    }
    packets
}

fuzz_target!(|bytes: &[u8]| {
    let packets = packets(bytes);
    let could_answer = packets
        .iter()
        .any(|packet| packet.len() >= HEADER && packet.iter().any(|byte| ANSWERS.contains(byte)));
    let copies = handshake_copies(packets);
    assert!(copies == 6 || copies == 0 && could_answer, "{copies}");
});
