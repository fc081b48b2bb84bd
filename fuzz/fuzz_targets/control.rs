//! The data channel between two clients: not read, or the same when it is said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::fuzzing::control;

fuzz_target!(|message: &[u8]| {
    if let Some(said) = control(message) {
        assert!(message.len() <= 1024);
        assert_eq!(control(said.as_bytes()), Some(said));
    }
});
