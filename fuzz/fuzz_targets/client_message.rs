//! What a socket hears from a client: refused, or the same when it is said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_proto::signal::ClientMessage;

fuzz_target!(|text: &str| {
    if let Ok(message) = ClientMessage::decode(text) {
        let said = message.encode();
        let again = ClientMessage::decode(&said).expect("what we say can be heard");
        assert_eq!(again.encode(), said);
    }
});
