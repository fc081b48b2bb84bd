//! The stream of a relay: messages come out that were in it, none longer than a packet may be, and those
//! are read again as they are written.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::{relay_messages, relay_stream};

fuzz_target!(|stream: &[u8]| {
    let messages = relay_messages(stream);
    let read: usize = messages.iter().map(Vec::len).sum();
    assert!(read <= stream.len());
    for message in &messages {
        assert!((4..=4096).contains(&message.len()) && message[0] < 0x80);
    }
    assert_eq!(relay_messages(&relay_stream(&messages)), messages);
});
