//! Files of `mongoexport`: objects are told apart as serde_json does it, and whatever of them is
//! taken can be exported and imported again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_server::fuzzing::{import, import_mongo, mongo_documents};
use serde_json::{Deserializer, Map, Value};

fuzz_target!(|documents: &[u8]| {
    let objects = Deserializer::from_slice(documents).into_iter::<Map<String, Value>>();
    if let Ok(objects) = objects.collect::<Result<Vec<_>, _>>() {
        let objects: Vec<_> = objects.into_iter().map(|object| Ok(Value::Object(object))).collect();
        assert_eq!(mongo_documents(documents), objects);
    }
    let last = documents.split(|byte| *byte == b'\n').count() as u64;
    let [strict, renamed] = [false, true].map(|rename| {
        let (exported, faults) = import_mongo(documents, rename);
        assert!(faults.iter().all(|fault| (1..=last).contains(&fault.line)));
        let exported = exported.expect("what was taken can be written");
        let again = import(&exported).expect("what was written can be read");
        assert_eq!(again.ok().as_ref(), Some(&exported));
        (exported.split(|byte| *byte == b'\n').count(), faults.len())
    });
    assert_eq!(strict.0 + strict.1, renamed.0 + renamed.1, "each is taken or a fault");
    assert!(strict.0 <= renamed.0);
});
