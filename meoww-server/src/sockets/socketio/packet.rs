//! Socket.IO, revision 5: the messages of Engine.IO as text, of the default namespace. No event of
//! ours has binary attachments; one that has is refused.

use std::{borrow::Cow, fmt};

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, DecodeError, ServerMessage, SignalError},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// The server disconnects the client, which then stays away.
pub(super) const DISCONNECT: &str = "41";

/// Longest name of a namespace that is read; there is none but the default one, so that a name only
/// goes back with its refusal.
const MAX_NAMESPACE_BYTES: usize = 128;

/// A packet of a client.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// It asks to be let in, to this namespace.
    Connect(&'a str),
    /// It leaves.
    Leave,
    /// An event, and the number under which it wants to hear what became of it.
    Event { arguments: &'a str, ack: Option<u64> },
    /// An event with binary attachments, which none of ours has; they follow by themselves.
    Binary { ack: Option<u64> },
    /// Of another namespace, or the answer to a question that we never ask.
    Ignored,
}

impl<'a> Packet<'a> {
    /// `None` for what no client of this protocol sends.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        let (kind, rest) = match text.as_bytes() {
            [b'4', kind, ..] if kind.is_ascii_digit() => (*kind, &text[2..]),
            _ => return None,
        };
        let (namespace, rest) = match rest.starts_with('/') {
            true => rest.split_once(',').unwrap_or((rest, "")),
            false => ("/", rest),
        };
        match kind {
            b'0' if namespace.len() <= MAX_NAMESPACE_BYTES => Some(Self::Connect(namespace)),
            b'1' if namespace == "/" => Some(Self::Leave),
            b'2' if namespace == "/" => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (ack, arguments) = rest.split_at(digits);
                Some(Self::Event { arguments, ack: ack.parse().ok() })
            }
            // The number of attachments stands before the namespace.
            b'5' => {
                let (_, rest) = rest.split_once('-')?;
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                Some(Self::Binary { ack: rest[..digits].parse().ok() })
            }
            b'1' | b'2' | b'3' | b'6' => Some(Self::Ignored),
            _ => None,
        }
    }
}

/// A client is in.
pub(super) fn connected(sid: &str) -> String {
    packet("40", &serde_json::json!({ "sid": sid }))
}

/// A client is not let in, to this namespace.
pub(super) fn connect_error(namespace: &str, message: &str) -> String {
    let message = serde_json::json!({ "message": message });
    match namespace {
        "/" => packet("44", &message),
        other => packet(&format!("44{other},"), &message),
    }
}

pub(super) fn event(message: &ServerMessage) -> String {
    let (name, data) = message.parts();
    packet("42", &(name, data))
}

/// What became of an event; a refusal, if it was refused.
pub(super) fn ack(id: u64, refusal: Option<&SignalError>) -> String {
    #[derive(Serialize)]
    struct Outcome<'a> {
        ok: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<SignalErrorCode>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    let outcome = match refusal {
        Some(SignalError { code, message }) => {
            Outcome { ok: false, code: Some(*code), message: Some(message) }
        }
        None => Outcome { ok: true, code: None, message: None },
    };
    packet(&format!("43{id}"), &[outcome])
}

fn packet(prefix: &str, data: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(128);
    text.extend_from_slice(prefix.as_bytes());
    serde_json::to_writer(&mut text, data).expect("plain data always serialises");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Reads the arguments of an event; data that names no room means `unnamed`.
pub(crate) fn decode(
    arguments: &str,
    unnamed: Option<RoomId>,
) -> Result<ClientMessage, DecodeError> {
    if arguments.len() > MAX_EVENT_BYTES {
        return Err(DecodeError::TooLarge("event"));
    }
    let Named { name, data } = serde_json::from_str(arguments)
        .map_err(|_| DecodeError::Malformed("not a name and its data".into()))?;
    let data = data.map_or("null", RawValue::get);
    ClientMessage::from_parts(&name, data, unnamed.ok_or(DecodeError::NoRoom))
}

/// The arguments that count; what else a client sends along is nobody's business.
struct Named<'a> {
    name: Cow<'a, str>,
    data: Option<&'a RawValue>,
}

impl<'de> Deserialize<'de> for Named<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Arguments;
        impl<'de> Visitor<'de> for Arguments {
            type Value = Named<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a name and its data")
            }

            fn visit_seq<A: SeqAccess<'de>>(
                self,
                mut arguments: A,
            ) -> Result<Named<'de>, A::Error> {
                let missing = || serde::de::Error::invalid_length(0, &self);
                let name = arguments.next_element()?.ok_or_else(missing)?;
                let data = arguments.next_element()?;
                while arguments.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Named { name, data })
            }
        }
        deserializer.deserialize_seq(Arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn packets_of_the_protocol_are_told_apart() {
        let event = |arguments, ack| Some(Packet::Event { arguments, ack });
        for (text, packet) in [
            ("40", Some(Packet::Connect("/"))),
            ("40{\"token\":1}", Some(Packet::Connect("/"))),
            ("40/admin,{}", Some(Packet::Connect("/admin"))),
            ("40/admin", Some(Packet::Connect("/admin"))),
            ("41", Some(Packet::Leave)),
            ("41/admin,", Some(Packet::Ignored)),
            ("42[\"search\"]", event("[\"search\"]", None)),
            ("4212[\"search\"]", event("[\"search\"]", Some(12))),
            ("42/,[\"search\"]", event("[\"search\"]", None)),
            ("42/admin,[\"search\"]", Some(Packet::Ignored)),
            ("431[]", Some(Packet::Ignored)),
            ("451-[\"offer\"]", Some(Packet::Binary { ack: None })),
            ("452-7[\"offer\"]", Some(Packet::Binary { ack: Some(7) })),
            ("452-/admin,[\"offer\"]", Some(Packet::Binary { ack: None })),
            ("45[\"offer\"]", None),
            ("461-3[]", Some(Packet::Ignored)),
            ("4", None),
            ("4é", None),
            ("", None),
            ("2[]", None),
        ] {
            assert_eq!(Packet::parse(text), packet, "{text}");
        }
        let long = format!("40/{}", "x".repeat(MAX_NAMESPACE_BYTES));
        assert_eq!(Packet::parse(&long), None);
    }

    proptest! {
        #[test]
        fn any_text_is_a_packet_or_none(text in ".{0,60}") {
            if let Some(Packet::Event { arguments, .. }) = Packet::parse(&text) {
                let _ = decode(arguments, None);
            }
        }
    }
}
