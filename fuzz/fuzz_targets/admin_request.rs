//! The line that a program sends over the admin socket: refused, or the same when it is said again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::fuzzing::admin_request;

fuzz_target!(|line: &str| {
    if let Some(said) = admin_request(line) {
        assert_eq!(admin_request(&said), Some(said));
    }
});
