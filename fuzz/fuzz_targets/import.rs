//! Exports: refused with every fault on a line, or the same when they are written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::fuzzing::import;

fuzz_target!(|lines: &[u8]| {
    match import(lines) {
        Ok(written) => {
            let written = written.expect("what was read can be written");
            let again = import(&written).expect("what was written can be read");
            assert_eq!(again.ok(), Some(written));
        }
        Err(faults) => {
            let last = lines.split(|byte| *byte == b'\n').count() as u64 + 1;
            assert!(!faults.is_empty());
            assert!(faults.iter().all(|fault| (1..=last).contains(&fault.line)));
        }
    }
});
