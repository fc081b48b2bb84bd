//! Packets between nodes: refused, or the same when they are sent again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::{core::fleet::MAX_PACKET_BYTES, fuzzing::packet};

fuzz_target!(|bytes: &[u8]| {
    if let Some((decoded, encoded)) = packet(bytes) {
        assert!(encoded.len() <= MAX_PACKET_BYTES, "{}", encoded.len());
        assert_eq!(packet(&encoded), Some((decoded, encoded)));
    }
});
