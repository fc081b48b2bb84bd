//! Packets between nodes, and the proof that they come with: refused, or the same when they are sent
//! again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::{
    core::fleet::MAX_PACKET_BYTES,
    fuzzing::{open, packet, seal},
};

fuzz_target!(|bytes: &[u8]| {
    if let Some((decoded, encoded)) = packet(bytes) {
        assert!(encoded.len() <= MAX_PACKET_BYTES, "{}", encoded.len());
        assert_eq!(packet(&encoded), Some((decoded, encoded)));
    }
    assert_eq!(open(&seal(bytes)).as_deref(), Some(bytes));
    if let Some(body) = open(bytes) {
        assert_eq!(seal(&body), bytes);
    }
});
