//! Events to text and back.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{ClientMessage, Relay, RelayPayload, Report, Search, ServerMessage};
use crate::{
    error::SignalErrorCode,
    ids::RoomId,
    limits::{
        MAX_CANDIDATE_BYTES, MAX_CHAT_CHARS, MAX_DESCRIPTION_BYTES, MAX_EVENT_BYTES,
        MAX_REASON_CHARS,
    },
    tags::{MAX_TAG_WAIT, MAX_TAGS},
};

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

#[derive(Serialize, Deserialize)]
struct NoticeData {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct DrainingData {
    seconds: u32,
}

fn encode(event: &str, data: &impl Serialize) -> String {
    #[derive(Serialize)]
    struct Out<'a, T> {
        event: &'a str,
        data: &'a T,
    }
    serde_json::to_string(&Out { event, data }).expect("plain data always serialises")
}

fn bounded(
    raw: Box<RawValue>,
    limit: usize,
    what: &'static str,
) -> Result<Box<RawValue>, DecodeError> {
    if raw.get().len() > limit { Err(DecodeError::TooLarge(what)) } else { Ok(raw) }
}

fn length_within(text: &str, limit: usize, what: &'static str) -> Result<(), DecodeError> {
    match text.chars().take(limit + 1).count() {
        0 => Err(DecodeError::Malformed(format!("empty {what}"))),
        n if n > limit => Err(DecodeError::TooLarge(what)),
        _ => Ok(()),
    }
}

impl Search {
    /// A bare `search`, as the Node.js backend had it, asks for anyone.
    fn decode(envelope: &Envelope<'_>) -> Result<Self, DecodeError> {
        let mut search: Self = envelope.data::<Option<_>>()?.unwrap_or_default();
        if search.tags.len() > MAX_TAGS {
            return Err(DecodeError::TooLarge("list of tags"));
        }
        if search.wait_seconds.is_some_and(|s| u64::from(s) > MAX_TAG_WAIT.as_secs()) {
            return Err(DecodeError::TooLarge("wait"));
        }
        search.tags.sort_unstable();
        search.tags.dedup();
        Ok(search)
    }
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
            "search" => Search::decode(&envelope).map(Self::Search),
            "cancel" => Ok(Self::Cancel),
            "skip" => Ok(Self::Skip),
            "leave" => Ok(Self::Leave),
            "block" => envelope.data().map(|RoomData { room_id }| Self::Block { room_id }),
            "report" => {
                let report: Report = envelope.data()?;
                length_within(&report.reason, MAX_REASON_CHARS, "reason")?;
                Ok(Self::Report(report))
            }
            "send-message" => {
                let ChatData { room_id, text } = envelope.data()?;
                length_within(&text, MAX_CHAT_CHARS, "message")?;
                Ok(Self::Relay(Relay { room_id, payload: RelayPayload::Chat(text) }))
            }
            _ => Err(DecodeError::UnknownEvent),
        }
    }

    /// Writes one socket message.
    pub fn encode(&self) -> String {
        let nothing = serde_json::Map::new();
        match self {
            Self::Search(search) => encode("search", search),
            Self::Cancel => encode("cancel", &nothing),
            Self::Skip => encode("skip", &nothing),
            Self::Leave => encode("leave", &nothing),
            Self::Block { room_id } => encode("block", &RoomData { room_id: *room_id }),
            Self::Report(report) => encode("report", report),
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
            "blocked" => envelope.data().map(|RoomData { room_id }| Self::Blocked { room_id }),
            "reported" => envelope.data().map(|RoomData { room_id }| Self::Reported { room_id }),
            "presence" => envelope.data().map(Self::Presence),
            "notice" => envelope.data().map(|NoticeData { text }| Self::Notice { text }),
            "draining" => {
                envelope.data().map(|DrainingData { seconds }| Self::Draining { seconds })
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
            Self::Blocked { room_id } => encode("blocked", &RoomData { room_id: *room_id }),
            Self::Reported { room_id } => encode("reported", &RoomData { room_id: *room_id }),
            Self::Presence(presence) => encode("presence", presence),
            Self::Notice { text } => encode("notice", &NoticeData { text: text.clone() }),
            Self::Draining { seconds } => encode("draining", &DrainingData { seconds: *seconds }),
            Self::Error(error) => encode("error", error),
        }
    }
}

#[cfg(test)]
mod tests;
