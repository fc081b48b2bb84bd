//! Ids, tags and the bodies of requests.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_proto::{
    RoomId, UserId,
    account::{LoginRequest, SignupRequest, VerifyRequest},
    tags::Tag,
};

fuzz_target!(|text: &str| {
    if let Ok(user) = text.parse::<UserId>() {
        assert_eq!(user.to_string().parse(), Ok(user));
    }
    if let Ok(room) = text.parse::<RoomId>() {
        assert_eq!(room.to_string().parse(), Ok(room));
    }
    if let Ok(tag) = text.parse::<Tag>() {
        // A second `#` is a leading one once the first is gone.
        if !tag.as_str().starts_with('#') {
            assert_eq!(tag.as_str().parse(), Ok(tag));
        }
    }
    let _ = serde_json::from_str::<SignupRequest>(text);
    let _ = serde_json::from_str::<LoginRequest>(text);
    let _ = serde_json::from_str::<VerifyRequest>(text);
});
