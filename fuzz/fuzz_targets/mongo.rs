//! What `mongoexport` wrote: whatever of it is taken can be exported and imported again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::fuzzing::{import, import_mongo};

fuzz_target!(|documents: &[u8]| {
    let (exported, _) = import_mongo(documents);
    let exported = exported.expect("what was taken can be written");
    let again = import(&exported).expect("what was written can be read");
    assert_eq!(again.ok(), Some(exported));
});
