//! Socket.IO: posts come apart without loss, and an event is the one that `/ws` would have heard.
#![no_main]

use libfuzzer_sys::fuzz_target;
use meoww_proto::signal::ClientMessage;
use meoww_server::fuzzing::{
    candidate_passes, is_socketio_query, socketio_event, socketio_packets,
};
use serde_json::Value;

/// The event as a packet.
fn said(message: &ClientMessage) -> String {
    let said: Value = serde_json::from_str(&message.encode()).expect("JSON");
    format!("42{}", serde_json::json!([said["event"], said["data"]]))
}

/// A candidate passes with the description it belongs to, and where there is none.
fn candidates_pass(candidate: &str) {
    assert!(candidate_passes("", candidate));
    let _ = candidate_passes(candidate, candidate);
    let fragment = serde_json::from_str::<Value>(candidate).ok();
    let fragment = fragment.as_ref().and_then(|it| it["usernameFragment"].as_str());
    let is_word = |it: &&str| it.len() <= 256 && it.bytes().all(|b| b.is_ascii_alphanumeric());
    if let Some(fragment) = fragment.filter(is_word) {
        let sdp = format!("v=0\r\na=ice-ufrag:{fragment}\r\n");
        assert!(candidate_passes(&serde_json::json!({ "sdp": sdp }).to_string(), candidate));
    }
}

fuzz_target!(|text: &str| {
    candidates_pass(text);
    if is_socketio_query(text) {
        assert!(text.contains("EIO=4") && text.contains("transport="));
    }
    let packets = socketio_packets(text.to_owned());
    assert!(packets.as_ref().is_none_or(|packets| packets.join("\u{1e}") == text));
    for packet in text.split('\u{1e}') {
        if let Some(Ok(message)) = socketio_event(packet) {
            let again = socketio_event(&said(&message)).expect("an event");
            let again = again.expect("what we say can be heard");
            assert_eq!(again.encode(), message.encode());
        }
    }
});
