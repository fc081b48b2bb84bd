//! Events to text and back.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

use super::{
    Chat, ClientMessage, Matched, Presence, Relay, RelayPayload, Report, Search, ServerMessage,
    SignalError, Welcome,
};
use crate::{
    error::SignalErrorCode,
    ids::RoomId,
    json,
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
    /// It names no room, and there is none it could mean.
    #[error("you are in no room")]
    NoRoom,
    /// Over a bound of [`crate::limits`].
    #[error("{0} is too large")]
    TooLarge(&'static str),
}

impl From<&DecodeError> for SignalErrorCode {
    fn from(error: &DecodeError) -> Self {
        match error {
            DecodeError::Malformed(_) => Self::BadEvent,
            DecodeError::UnknownEvent => Self::UnknownEvent,
            DecodeError::NoRoom => Self::NotInRoom,
            DecodeError::TooLarge(_) => Self::TooLarge,
        }
    }
}

/// `{"event":NAME,"data":{...}}`.
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

    fn event(&self) -> Event<'_> {
        let unnamed = Err(DecodeError::Malformed("no roomId".into()));
        Event { name: &self.event, data: self.data.map_or("null", RawValue::get), unnamed }
    }
}

/// An event out of whatever frame it came in.
struct Event<'a> {
    name: &'a str,
    data: &'a str,
    /// The room of data that names none.
    unnamed: Result<RoomId, DecodeError>,
}

impl Event<'_> {
    fn data<T: DeserializeOwned>(&self) -> Result<T, DecodeError> {
        json::from_str(self.data).map_err(malformed)
    }

    fn room(&self, named: Option<RoomId>) -> Result<RoomId, DecodeError> {
        named.map_or_else(|| self.unnamed.clone(), Ok)
    }

    /// Likewise, where the room is all the data there may be.
    fn only_room(&self) -> Result<RoomId, DecodeError> {
        let RoomData { room_id } = self.data::<Option<_>>()?.unwrap_or_default();
        self.room(room_id)
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

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OfferData {
    room_id: Option<RoomId>,
    offer: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AnswerData {
    room_id: Option<RoomId>,
    answer: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CandidateData {
    room_id: Option<RoomId>,
    candidate: Box<RawValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ChatData {
    room_id: Option<RoomId>,
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RoomData {
    room_id: Option<RoomId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ReportData {
    room_id: Option<RoomId>,
    reason: String,
}

#[derive(Deserialize)]
struct NoticeData {
    text: String,
}

#[derive(Deserialize)]
struct DrainingData {
    seconds: u32,
}

/// Data of an event on its way out: borrowed, as nothing of it is needed but its JSON.
#[derive(Serialize)]
#[serde(untagged, rename_all_fields = "camelCase")]
enum Data<'a> {
    Nothing {},
    Search(&'a Search),
    Report(&'a Report),
    Room { room_id: RoomId },
    Offer { room_id: RoomId, offer: &'a RawValue },
    Answer { room_id: RoomId, answer: &'a RawValue },
    Candidate { room_id: RoomId, candidate: &'a RawValue },
    Line { room_id: RoomId, text: &'a str },
    Welcome(&'a Welcome),
    Matched(&'a Matched),
    Chat(&'a Chat),
    Presence(&'a Presence),
    Notice { text: &'a str },
    Draining { seconds: u32 },
    Error(&'a SignalError),
}

fn encode((event, data): (&'static str, impl Serialize)) -> String {
    #[derive(Serialize)]
    struct Out<T> {
        event: &'static str,
        data: T,
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
    fn decode(event: &Event<'_>) -> Result<Self, DecodeError> {
        let mut search: Self = event.data::<Option<_>>()?.unwrap_or_default();
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
    fn decode_signal(event: &Event<'_>) -> Option<Result<Self, DecodeError>> {
        let decoded = match event.name {
            "offer" => event.data().and_then(|OfferData { room_id, offer }| {
                let offer = bounded(offer, MAX_DESCRIPTION_BYTES, "offer")?;
                let room_id = event.room(room_id)?;
                Ok(Self { room_id, payload: RelayPayload::Offer(offer) })
            }),
            "answer" => event.data().and_then(|AnswerData { room_id, answer }| {
                let answer = bounded(answer, MAX_DESCRIPTION_BYTES, "answer")?;
                let room_id = event.room(room_id)?;
                Ok(Self { room_id, payload: RelayPayload::Answer(answer) })
            }),
            "ice-candidate" => event.data().and_then(|CandidateData { room_id, candidate }| {
                let candidate = bounded(candidate, MAX_CANDIDATE_BYTES, "candidate")?;
                let room_id = event.room(room_id)?;
                Ok(Self { room_id, payload: RelayPayload::Candidate(candidate) })
            }),
            _ => return None,
        };
        Some(decoded)
    }

    fn parts(&self) -> (&'static str, Data<'_>) {
        let room_id = self.room_id;
        match &self.payload {
            RelayPayload::Offer(offer) => ("offer", Data::Offer { room_id, offer }),
            RelayPayload::Answer(answer) => ("answer", Data::Answer { room_id, answer }),
            RelayPayload::Candidate(candidate) => {
                ("ice-candidate", Data::Candidate { room_id, candidate })
            }
            RelayPayload::Chat(text) => ("send-message", Data::Line { room_id, text }),
        }
    }
}

impl ClientMessage {
    /// Reads one socket message.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        Self::read(&Envelope::parse(text)?.event())
    }

    /// Reads an event that came in another frame: its name and its data, `null` where it has none.
    /// Data that names no room means `unnamed`.
    pub fn from_parts(
        name: &str,
        data: &str,
        unnamed: Result<RoomId, DecodeError>,
    ) -> Result<Self, DecodeError> {
        Self::read(&Event { name, data, unnamed })
    }

    fn read(event: &Event<'_>) -> Result<Self, DecodeError> {
        if let Some(signal) = Relay::decode_signal(event) {
            return signal.map(Self::Relay);
        }
        match event.name {
            "search" => Search::decode(event).map(Self::Search),
            "cancel" => Ok(Self::Cancel),
            "skip" => Ok(Self::Skip),
            "leave" => Ok(Self::Leave),
            "block" => Ok(Self::Block { room_id: event.only_room()? }),
            "mismatch" => Ok(Self::Mismatch { room_id: event.only_room()? }),
            "report" => {
                let ReportData { room_id, reason } = event.data()?;
                length_within(&reason, MAX_REASON_CHARS, "reason")?;
                Ok(Self::Report(Report { room_id: event.room(room_id)?, reason }))
            }
            "send-message" => {
                let ChatData { room_id, text } = event.data()?;
                length_within(&text, MAX_CHAT_CHARS, "message")?;
                let room_id = event.room(room_id)?;
                Ok(Self::Relay(Relay { room_id, payload: RelayPayload::Chat(text) }))
            }
            _ => Err(DecodeError::UnknownEvent),
        }
    }

    /// Its name and its data.
    pub fn parts(&self) -> (&'static str, impl Serialize) {
        match self {
            Self::Search(search) => ("search", Data::Search(search)),
            Self::Cancel => ("cancel", Data::Nothing {}),
            Self::Skip => ("skip", Data::Nothing {}),
            Self::Leave => ("leave", Data::Nothing {}),
            Self::Block { room_id } => ("block", Data::Room { room_id: *room_id }),
            Self::Mismatch { room_id } => ("mismatch", Data::Room { room_id: *room_id }),
            Self::Report(report) => ("report", Data::Report(report)),
            Self::Relay(relay) => relay.parts(),
        }
    }

    /// Writes one socket message.
    pub fn encode(&self) -> String {
        encode(self.parts())
    }
}

impl ServerMessage {
    /// Reads one socket message.
    pub fn decode(text: &str) -> Result<Self, DecodeError> {
        let envelope = Envelope::parse(text)?;
        let event = envelope.event();
        if let Some(signal) = Relay::decode_signal(&event) {
            return signal.map(Self::Signal);
        }
        let room = || {
            let RoomData { room_id } = event.data()?;
            event.room(room_id)
        };
        match event.name {
            "welcome" => event.data().map(Self::Welcome),
            "searching" => Ok(Self::Searching),
            "matched" => event.data().map(Self::Matched),
            "receive-message" => event.data().map(Self::Chat),
            "peer-disconnected" => Ok(Self::PeerDisconnected { room_id: room()? }),
            "blocked" => Ok(Self::Blocked { room_id: room()? }),
            "reported" => Ok(Self::Reported { room_id: room()? }),
            "presence" => event.data().map(Self::Presence),
            "notice" => event.data().map(|NoticeData { text }| Self::Notice { text }),
            "draining" => event.data().map(|DrainingData { seconds }| Self::Draining { seconds }),
            "error" => event.data().map(Self::Error),
            _ => Err(DecodeError::UnknownEvent),
        }
    }

    /// Its name and its data.
    pub fn parts(&self) -> (&'static str, impl Serialize) {
        match self {
            Self::Welcome(welcome) => ("welcome", Data::Welcome(welcome)),
            Self::Searching => ("searching", Data::Nothing {}),
            Self::Matched(matched) => ("matched", Data::Matched(matched)),
            Self::Signal(relay) => relay.parts(),
            Self::Chat(chat) => ("receive-message", Data::Chat(chat)),
            Self::PeerDisconnected { room_id } => {
                ("peer-disconnected", Data::Room { room_id: *room_id })
            }
            Self::Blocked { room_id } => ("blocked", Data::Room { room_id: *room_id }),
            Self::Reported { room_id } => ("reported", Data::Room { room_id: *room_id }),
            Self::Presence(presence) => ("presence", Data::Presence(presence)),
            Self::Notice { text } => ("notice", Data::Notice { text }),
            Self::Draining { seconds } => ("draining", Data::Draining { seconds: *seconds }),
            Self::Error(error) => ("error", Data::Error(error)),
        }
    }

    /// Writes one socket message.
    pub fn encode(&self) -> String {
        encode(self.parts())
    }
}

#[cfg(test)]
mod tests;
