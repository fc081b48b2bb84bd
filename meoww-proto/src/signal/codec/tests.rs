use super::*;
use crate::signal::Chat;
use proptest::prelude::*;

const ROOM: &str = "6f1c2f6e-2f0a-4a43-9a77-0d3b5b0f5c11";

#[test]
fn an_offer_passes_byte_for_byte_whatever_the_key_order() {
    let sdp = r#"{"type":"offer","sdp":"v=0\r\n","n":1.000000000000000000001}"#;
    let text = format!(r#"{{"data":{{"offer":{sdp},"roomId":"{ROOM}"}},"event":"offer"}}"#);
    let Ok(ClientMessage::Relay(relay)) = ClientMessage::decode(&text) else { panic!() };
    let Ok(ServerMessage::Signal(relay)) =
        ServerMessage::decode(&ServerMessage::Signal(relay).encode())
    else {
        panic!()
    };
    let RelayPayload::Offer(offer) = relay.payload else { panic!() };
    assert_eq!(offer.get(), sdp);
}

#[test]
fn search_needs_no_data() {
    for text in [r#"{"event":"search"}"#, r#"{"event":"search","data":null}"#] {
        assert!(matches!(ClientMessage::decode(text), Ok(ClientMessage::Search(_))));
    }
}

#[test]
fn what_is_wrong_is_said_without_quoting_it() {
    let cases = [
        ("", SignalErrorCode::BadEvent),
        ("[]", SignalErrorCode::BadEvent),
        (r#"{"event":5}"#, SignalErrorCode::BadEvent),
        (r#"{"event":"dance"}"#, SignalErrorCode::UnknownEvent),
        (r#"{"event":"offer"}"#, SignalErrorCode::BadEvent),
        (r#"{"event":"offer","data":{"offer":1}}"#, SignalErrorCode::BadEvent),
        (
            r#"{"event":"send-message","data":{"roomId":"hunter2","text":"x"}}"#,
            SignalErrorCode::BadEvent,
        ),
    ];
    for (text, code) in cases {
        let error = ClientMessage::decode(text).expect_err(text);
        assert_eq!(SignalErrorCode::from(&error), code, "{text}");
        assert!(!error.to_string().contains("hunter2"));
    }
}

#[test]
fn sizes_are_bounded() {
    let chat = |n: usize| {
        let text = "x".repeat(n);
        ClientMessage::decode(&format!(
            r#"{{"event":"send-message","data":{{"roomId":"{ROOM}","text":"{text}"}}}}"#
        ))
    };
    assert!(chat(1).is_ok() && chat(MAX_CHAT_CHARS).is_ok());
    assert!(matches!(chat(0), Err(DecodeError::Malformed(_))));
    assert!(matches!(chat(MAX_CHAT_CHARS + 1), Err(DecodeError::TooLarge("message"))));
    assert!(matches!(chat(MAX_EVENT_BYTES), Err(DecodeError::TooLarge("event"))));
}

#[test]
fn deep_nesting_is_an_error_not_a_crash() {
    let deep = "[".repeat(30_000);
    let text = format!(r#"{{"event":"offer","data":{deep}"#);
    assert!(ClientMessage::decode(&text).is_err());
}

proptest! {
    #[test]
    fn any_text_is_an_event_or_an_error(text in ".{0,200}") {
        let _ = ClientMessage::decode(&text);
        let _ = ServerMessage::decode(&text);
    }

    #[test]
    fn a_chat_line_survives_the_wire(text in ".{1,200}", from_self: bool) {
        let chat = Chat { room_id: ROOM.parse().expect("a room id"), text, from_self };
        let back = ServerMessage::decode(&ServerMessage::Chat(chat.clone()).encode());
        prop_assert!(matches!(back, Ok(ServerMessage::Chat(c)) if c == chat));
    }
}
