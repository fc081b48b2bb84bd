//! Access tokens and tokens of devices: both sockets and HTTP find the same one in a request, and
//! only what was issued is good.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use meoww_proto::UserId;
use meoww_server::fuzzing::{
    check_device_token, check_token, issue_device_token, issue_token, presented_tokens,
};

static USER: LazyLock<UserId> = LazyLock::new(|| UserId::from_bytes([1; 12]));
static ISSUED: LazyLock<String> = LazyLock::new(|| issue_token(*USER));
static DEVICE: LazyLock<String> = LazyLock::new(|| issue_device_token(*USER));

/// An issued token with some bytes exchanged, each for the one at its place in `edits`.
fn edited(issued: &str, edits: &[u8]) -> String {
    let mut token = issued.as_bytes().to_vec();
    let length = token.len();
    for edit in edits.chunks_exact(3) {
        let at = usize::from(u16::from_be_bytes([edit[0], edit[1]])) % length;
        token[at] = edit[2] & 0x7f;
    }
    String::from_utf8(token).expect("ASCII")
}

/// The signed part; what is behind the last dot is the signature.
fn claims(token: &str) -> Option<&str> {
    token.rsplit_once('.').map(|(claims, _)| claims)
}

fuzz_target!(|bytes: &[u8]| {
    let (authorization, cookie) = match bytes.iter().position(|byte| *byte == b'\n') {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b""[..]),
    };
    let [over_http, over_socketio] = presented_tokens(authorization, cookie);
    assert_eq!(over_http, over_socketio);
    if let Some(token) = over_http {
        assert_eq!(check_token(&token), None, "forged: {token}");
        assert_eq!(check_device_token(&token), None, "forged: {token}");
    }

    assert_eq!(check_token(&ISSUED), Some(*USER));
    let edited_device = edited(&DEVICE, bytes);
    let is_good = check_device_token(&edited_device) == Some(*USER);
    assert_eq!(is_good, edited_device == *DEVICE, "forged: {edited_device}");
    let edited = edited(&ISSUED, bytes);
    if let Some(user) = check_token(&edited) {
        assert_eq!((user, claims(&edited)), (*USER, claims(&ISSUED)), "forged: {edited}");
    }
});
