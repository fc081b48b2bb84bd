//! Uploads: refused, or a JPEG that could be uploaded again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::fuzzing::picture;

fuzz_target!(|upload: &[u8]| {
    if let Some(jpeg) = picture(upload) {
        assert!(jpeg.starts_with(&[0xff, 0xd8]) && jpeg.len() < 1 << 20);
        assert!(picture(&jpeg).is_some());
    }
});
