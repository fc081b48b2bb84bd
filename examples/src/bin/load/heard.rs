//! What a server said, read only as far as it matters here.

use std::time::Duration;

use meoww_proto::{RoomId, error::SignalErrorCode};
use serde::Deserialize;
use serde_json::value::RawValue;

/// An event of the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    Welcome,
    Matched(RoomId),
    PeerDisconnected,
    /// A chat line of the partner that says when it was due.
    Said(Duration),
    Refused(SignalErrorCode),
    /// The echo of one's own words, and whatever else.
    Other,
}

#[derive(Deserialize)]
struct Envelope<'a> {
    event: &'a str,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Matched {
    room_id: RoomId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chat<'a> {
    text: &'a str,
    from_self: bool,
}

#[derive(Deserialize)]
struct Refused {
    code: SignalErrorCode,
}

impl Heard {
    /// `None` for what is no event.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let Envelope { event, data } = serde_json::from_slice(text).ok()?;
        let data = data.map_or("null", RawValue::get);
        Some(match event {
            "welcome" => Self::Welcome,
            "matched" => Self::Matched(serde_json::from_str::<Matched>(data).ok()?.room_id),
            "peer-disconnected" => Self::PeerDisconnected,
            "receive-message" => match serde_json::from_str(data).ok()? {
                Chat { text, from_self: false } => Self::Said(said_when(text)?),
                Chat { from_self: true, .. } => Self::Other,
            },
            "error" => Self::Refused(serde_json::from_str::<Refused>(data).ok()?.code),
            _ => Self::Other,
        })
    }
}

/// The words of a chat line that was due so long after the start.
pub(crate) fn words(due: Duration) -> String {
    due.as_nanos().to_string()
}

fn said_when(words: &str) -> Option<Duration> {
    words.parse().ok().map(Duration::from_nanos)
}

#[cfg(test)]
mod tests {
    use meoww_proto::signal::{Chat, Matched, ServerMessage, SignalError};

    use super::*;

    #[test]
    fn what_the_server_says_is_understood() {
        let room_id: RoomId = "00000000-0000-4000-8000-000000000000".parse().expect("a room");
        let due = Duration::from_nanos(1_234_567_890);
        let chat = |from_self| ServerMessage::Chat(Chat { room_id, text: words(due), from_self });
        let (code, message) = (SignalErrorCode::RateLimited, "slow \"down\"".to_owned());
        for (message, heard) in [
            (
                ServerMessage::Matched(Matched { room_id, is_initiator: true }),
                Heard::Matched(room_id),
            ),
            (ServerMessage::PeerDisconnected { room_id }, Heard::PeerDisconnected),
            (chat(false), Heard::Said(due)),
            (chat(true), Heard::Other),
            (ServerMessage::Searching, Heard::Other),
            (ServerMessage::Error(SignalError { code, message }), Heard::Refused(code)),
        ] {
            assert_eq!(Heard::parse(message.encode().as_bytes()), Some(heard), "{message:?}");
        }
        assert_eq!(Heard::parse(b"nonsense"), None);
    }
}
