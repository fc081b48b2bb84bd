//! The data channel between two clients: not read, or the same when it is said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::control;

fuzz_target!(|message: &[u8]| {
    if let Some(said) = control(message) {
        assert!(message.len() <= 1024);
        let [heard, again] = [message, said.as_bytes()]
            .map(|json| serde_json::from_slice::<serde_json::Value>(json).expect("an object"));
        assert_eq!(heard["type"], again["type"]);
        if ["camera", "sound"].contains(&again["type"].as_str().expect("a name")) {
            assert!(heard["on"].is_boolean() && heard["on"] == again["on"]);
        }
        assert_eq!(control(said.as_bytes()), Some(said));
    }
});
