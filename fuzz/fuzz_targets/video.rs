//! H.264 of a stranger, damaged or not: no picture, or one of a size that was agreed on.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_cli::picture::decode::Decoder;

fuzz_target!(|bytes: &[u8]| {
    let mut decoder = Decoder::new().expect("memory");
    // Halves, so that one unit meets what another left behind.
    let (first, second) = bytes.split_at(bytes.len() / 2);
    for unit in [bytes, first, second] {
        if let Ok(Some(frame)) = decoder.decode(unit) {
            assert!(frame.width() * frame.height() <= 22_080 * 16 * 16, "more than level 5");
            assert_eq!(frame.planes()[0].len(), frame.width() * frame.height());
        }
    }
});
