//! Events on the socket: one JSON text message each, `{"event":"search","data":{...}}`.
//!
//! Names and payload keys are those of the Node.js backend's Socket.IO events, with `roomId` added
//! to whatever belongs to a room. SDP and ICE candidates are opaque: [`RawValue`]s that are relayed
//! byte for byte (clients of ours and browsers put `RTCSessionDescriptionInit` and
//! `RTCIceCandidateInit` there).

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use crate::{
    error::SignalErrorCode,
    ids::{RoomId, UserId},
    limits::{MAX_CANDIDATE_BYTES, MAX_CHAT_CHARS, MAX_DESCRIPTION_BYTES, MAX_EVENT_BYTES},
};

/// Query parameter of the upgrade (`/ws?resume=ROOMID`): take up this room even from another
/// connection of the same account, which is then cut. For a client whose connection died before the
/// server noticed. Without it, a room is taken up only from a connection known to be lost. Either
/// way `welcome` tells whether it worked.
pub const RESUME_QUERY: &str = "resume";

/// What a client says.
#[derive(Debug, Clone)]
pub enum ClientMessage {
    /// Queue me for a partner.
    Search,
    /// Take me out of the queue; without effect outside of it.
    Cancel,
    /// Leave the room, if any, and queue me again.
    Skip,
    /// Leave the room, if any, and do not queue me.
    Leave,
    /// To the partner.
    Relay(Relay),
}

/// What passes from one member of a room to the other. The server looks at nothing but its room
/// and its size.
#[derive(Debug, Clone)]
pub struct Relay {
    /// The sender's room as the sender believes; anything but its present one is dropped.
    pub room_id: RoomId,
    /// What it carries.
    pub payload: RelayPayload,
}

/// The kinds of [`Relay`].
#[derive(Debug, Clone)]
pub enum RelayPayload {
    /// `offer`: an SDP offer (RFC 8829).
    Offer(Box<RawValue>),
    /// `answer`: an SDP answer.
    Answer(Box<RawValue>),
    /// `ice-candidate`: one trickled candidate (RFC 8838).
    Candidate(Box<RawValue>),
    /// `send-message`: a chat line, 1 to [`MAX_CHAT_CHARS`] characters.
    Chat(String),
}

/// What the server says.
#[derive(Debug, Clone)]
pub enum ServerMessage {
    /// First on every connection.
    Welcome(Welcome),
    /// You are in the queue.
    Searching,
    /// You are in a room.
    Matched(Matched),
    /// From the partner: `offer`, `answer`, `ice-candidate`.
    Signal(Relay),
    /// `receive-message`: a chat line, the partner's or the echo of one's own once it was passed on.
    Chat(Chat),
    /// The room is over; you are in no queue.
    PeerDisconnected {
        /// The room that ended.
        room_id: RoomId,
    },
    /// Something was refused; the connection goes on.
    Error(SignalError),
}

/// Data of `welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Welcome {
    /// Whose connection this is.
    pub user_id: UserId,
    /// The room this connection has taken up again after a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room_id: Option<RoomId>,
}

/// Data of `matched`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Matched {
    /// The new room.
    pub room_id: RoomId,
    /// Exactly one of the two is told to make the offer.
    pub is_initiator: bool,
}

/// Data of `receive-message`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Chat {
    /// The room it was said in.
    pub room_id: RoomId,
    /// As typed by the sender: hostile until sanitised.
    pub text: String,
    /// Whether it is the echo of one's own.
    pub from_self: bool,
}

/// Data of `error`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignalError {
    /// For programs.
    pub code: SignalErrorCode,
    /// For people.
    pub message: String,
}

/// Why a text is no event.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not `{"event":NAME,"data":{...}}`, or data of the wrong shape.
    #[error("malformed event: {0}")]
    Malformed(String),
    /// A name this version does not know.
    #[error("unknown event")]
    UnknownEvent,
    /// Over a bound of [`crate::limits`].
    #[error("{0} is too large")]
    TooLarge(&'static str),
}

impl From<&DecodeError> for SignalErrorCode {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) => Self::BadEvent,
            DecodeError::UnknownEvent => Self::UnknownEvent,
            DecodeError::TooLarge(_) => Self::TooLarge,
        }
    }
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn parse(text: &'a str) -> Result<Self, DecodeError> {
        if text.len() > MAX_EVENT_BYTES {
            return Err(DecodeError::TooLarge("event"));
        }
        serde_json::from_str(text).map_err(malformed)
    }

    fn data<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        let text = self.data.map_or("null", RawValue::get);
        serde_json::from_str(text).map_err(malformed)
    }
}

/// Serde's own words may quote the input; only the place goes back to whoever sent it.
fn malformed(error: serde_json::Error) -> DecodeError {
    let kind = match error.classify() {
        serde_json::error::Category::Data => "missing or mistyped field",
        _ => "not JSON",
    };
    DecodeError::Malformed(format!("{kind} at column {}", error.column()))
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferData {
    room_id: RoomId,
    offer: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerData {
    room_id: RoomId,
    answer: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CandidateData {
    room_id: RoomId,
    candidate: Box<RawValue>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChatData {
    room_id: RoomId,
    text: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoomData {
    room_id: RoomId,
}

fn encode(event: &str, data: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Out<'a, T> {
        event: &'a str,
        data: &'a T,
    }
    serde_json::to_string(&Out { event, data }).expect("plain data always serialises")
}

fn bounded(raw: Box<RawValue>, limit: usize, what: &'static str) -> Result<Box<RawValue>, DecodeError> {
    if raw.get().len() > limit { Err(DecodeError::TooLarge(what)) } else { Ok(raw) }
}

impl Relay {
    /// Reads the events that have the same name and shape in both directions; `None` for others.
    fn decode_signal(envelope: &Envelope<'_>) -> Option<Result<Self, DecodeError>> {
        let decoded = match &*envelope.event {
            "offer" => envelope.data().and_then(|OfferData { room_id, offer }| {
                let offer = bounded(offer, MAX_DESCRIPTION_BYTES, "offer")?;
                Ok(Self { room_id, payload: RelayPayload::Offer(offer) })
            }),
            "answer" => envelope.data().and_then(|AnswerData { room_id, answer }| {
                let answer = bounded(answer, MAX_DESCRIPTION_BYTES, "answer")?;
                Ok(Self { room_id, payload: RelayPayload::Answer(answer) })
            }),
            "ice-candidate" => envelope.data().and_then(|CandidateData { room_id, candidate }| {
                let candidate = bounded(candidate, MAX_CANDIDATE_BYTES, "candidate")?;
                Ok(Self { room_id, payload: RelayPayload::Candidate(candidate) })
            }),
            _ => return None,
        };
        Some(decoded)
    }

    fn encode(&self) -> String {
        let room_id = self.room_id;
        match &self.payload {
            RelayPayload::Offer(offer) => {
                encode("offer", &OfferData { room_id, offer: offer.clone() })
            }
            RelayPayload::Answer(answer) => {
                encode("answer", &AnswerData { room_id, answer: answer.clone() })
            }
            RelayPayload::Candidate(candidate) => {
                encode("ice-candidate", &CandidateData { room_id, candidate: candidate.clone() })
            }
            RelayPayload::Chat(text) => {
                encode("send-message", &ChatData { room_id, text: text.clone() })
            }
        }
    }
}

impl ClientMessage {
    /// Reads one socket message.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let envelope = Envelope::parse(text)?;
        if let Some(signal) = Relay::decode_signal(&envelope) {
            return signal.map(Self::Relay);
        }
        match &*envelope.event {
            "search" => Ok(Self::Search),
            "cancel" => Ok(Self::Cancel),
            "skip" => Ok(Self::Skip),
            "leave" => Ok(Self::Leave),
            "send-message" => {
                let ChatData { room_id, text } = envelope.data()?;
                match text.chars().take(MAX_CHAT_CHARS + 1).count() {
                    0 => Err(DecodeError::Malformed("empty message".into())),
                    n if n > MAX_CHAT_CHARS => Err(DecodeError::TooLarge("message")),
                    _ => Ok(Self::Relay(Relay { room_id, payload: RelayPayload::Chat(text) })),
                }
            }
            _ => Err(DecodeError::UnknownEvent),
        }
    }

    /// Writes one socket message.
    pub fn encode(&self) -> String {
        let nothing = serde_json::Map::new();
        match self {
            Self::Search => encode("search", &nothing),
            Self::Cancel => encode("cancel", &nothing),
            Self::Skip => encode("skip", &nothing),
            Self::Leave => encode("leave", &nothing),
            Self::Relay(relay) => relay.encode(),
        }
    }
}

impl ServerMessage {
    /// Reads one socket message.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let envelope = Envelope::parse(text)?;
        if let Some(signal) = Relay::decode_signal(&envelope) {
            return signal.map(Self::Signal);
        }
        match &*envelope.event {
            "welcome" => envelope.data().map(Self::Welcome),
            "searching" => Ok(Self::Searching),
            "matched" => envelope.data().map(Self::Matched),
            "receive-message" => envelope.data().map(Self::Chat),
            "peer-disconnected" => {
                envelope.data().map(|RoomData { room_id }| Self::PeerDisconnected { room_id })
            }
            "error" => envelope.data().map(Self::Error),
            _ => Err(DecodeError::UnknownEvent),
        }
    }

    /// Writes one socket message.
    pub fn encode(&self) -> String {
        match self {
            Self::Welcome(welcome) => encode("welcome", welcome),
            Self::Searching => encode("searching", &serde_json::Map::new()),
            Self::Matched(matched) => encode("matched", matched),
            Self::Signal(relay) => relay.encode(),
            Self::Chat(chat) => encode("receive-message", chat),
            Self::PeerDisconnected { room_id } => {
                encode("peer-disconnected", &RoomData { room_id: *room_id })
            }
            Self::Error(error) => encode("error", error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
            assert!(matches!(ClientMessage::decode(text), Ok(ClientMessage::Search)));
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
            (r#"{"event":"send-message","data":{"roomId":"hunter2","text":"x"}}"#, SignalErrorCode::BadEvent),
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
}
