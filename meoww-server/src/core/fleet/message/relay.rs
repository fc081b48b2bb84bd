//! Relays between partners on different nodes.

use meoww_proto::{
    RoomId,
    signal::{Relay, RelayPayload},
};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// The kinds of relays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RelayKind {
    /// An SDP offer, in JSON.
    Offer,
    /// An SDP answer, in JSON.
    Answer,
    /// An ICE candidate, in JSON.
    Candidate,
    /// A chat line.
    Chat,
}

/// The payload of a [`Relay`], which is JSON unless it is a chat line.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct RelayText {
    /// What it is.
    pub kind: RelayKind,
    /// At most [`MAX_DESCRIPTION_BYTES`](meoww_proto::limits::MAX_DESCRIPTION_BYTES), or a chat line.
    pub text: String,
}

impl From<&RelayPayload> for RelayText {
    fn from(payload: &RelayPayload) -> Self {
        let (kind, text) = match payload {
            RelayPayload::Offer(json) => (RelayKind::Offer, json.get()),
            RelayPayload::Answer(json) => (RelayKind::Answer, json.get()),
            RelayPayload::Candidate(json) => (RelayKind::Candidate, json.get()),
            RelayPayload::Chat(text) => (RelayKind::Chat, text.as_str()),
        };
        Self { kind, text: text.to_owned() }
    }
}

impl RelayText {
    /// Returns the relay in this room; `None` where the text is not the JSON it should be.
    pub fn into_relay(self, room_id: RoomId) -> Option<Relay> {
        let json = |text| RawValue::from_string(text).ok();
        let payload = match self.kind {
            RelayKind::Offer => RelayPayload::Offer(json(self.text)?),
            RelayKind::Answer => RelayPayload::Answer(json(self.text)?),
            RelayKind::Candidate => RelayPayload::Candidate(json(self.text)?),
            RelayKind::Chat => RelayPayload::Chat(self.text),
        };
        Some(Relay { room_id, payload })
    }
}
