//! What a socket hears from a server: refused, or the same when it is said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_proto::signal::ServerMessage;

fuzz_target!(|text: &str| {
    if let Ok(message) = ServerMessage::decode(text) {
        let said = message.encode();
        let again = ServerMessage::decode(&said).expect("what we say can be heard");
        assert_eq!(again.encode(), said);
    }
});
