//! Packets as text: Engine.IO revision 4 around Socket.IO revision 5, of the default namespace. No
//! event of ours has binary attachments; one that has is refused.

use std::{borrow::Cow, fmt};

use meoww_proto::{
    RoomId,
    error::SignalErrorCode,
    limits::MAX_EVENT_BYTES,
    signal::{ClientMessage, DecodeError, ServerMessage},
};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{IgnoredAny, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

/// Between the packets of one poll or post.
pub(crate) const SEPARATOR: char = '\u{1e}';
pub(super) const PING: &str = "2";
/// Ends a poll and says nothing.
pub(super) const NOOP: &str = "6";
/// A client that tries whether a WebSocket works, the answer, and the client's decision.
pub(super) const PROBE: &str = "2probe";
pub(super) const PROBED: &str = "3probe";
pub(super) const UPGRADE: &str = "5";
/// The server closes the transport.
pub(super) const CLOSE: &str = "1";
/// The server disconnects the client, which then stays away.
pub(super) const DISCONNECT: &str = "41";

/// What a client says to us.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Packet<'a> {
    /// It is there, and no more.
    Alive,
    /// It leaves.
    Bye,
    /// It asks to be let in, to this namespace.
    Connect(&'a str),
    /// An event, and the number under which it wants to hear what became of it.
    Event { arguments: &'a str, ack: Option<u64> },
    /// An event with binary attachments, which none of ours has; they follow by themselves.
    Binary { ack: Option<u64> },
}

impl<'a> Packet<'a> {
    /// `None` for what no client of this protocol sends.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        match text.as_bytes() {
            [b'1'] => Some(Self::Bye),
            // Also an attachment, of which its event has said all there is to say.
            [b'3' | b'6' | b'b', ..] => Some(Self::Alive),
            [b'4', kind, ..] if kind.is_ascii_digit() => Self::parse_message(*kind, &text[2..]),
            _ => None,
        }
    }

    fn parse_message(kind: u8, rest: &'a str) -> Option<Self> {
        let (namespace, rest) = match rest.starts_with('/') {
            true => rest.split_once(',').unwrap_or((rest, "")),
            false => ("/", rest),
        };
        match kind {
            b'0' => Some(Self::Connect(namespace)),
            b'1' if namespace == "/" => Some(Self::Bye),
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
            // Of another namespace, or the answer to a question that we never ask.
            b'1' | b'2' | b'3' | b'6' => Some(Self::Alive),
            _ => None,
        }
    }
}

/// The first packet of a transport.
pub(super) fn open(sid: &str, upgrades: &[&str], ping: (u64, u64), max_payload: usize) -> String {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Open<'a> {
        sid: &'a str,
        upgrades: &'a [&'a str],
        ping_interval: u64,
        ping_timeout: u64,
        max_payload: usize,
    }
    let (ping_interval, ping_timeout) = ping;
    packet("0", &Open { sid, upgrades, ping_interval, ping_timeout, max_payload })
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
pub(super) fn ack(id: u64, refusal: Option<&ServerMessage>) -> String {
    #[derive(Serialize)]
    struct Outcome<'a> {
        ok: bool,
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<SignalErrorCode>,
        #[serde(skip_serializing_if = "Option::is_none")]
        message: Option<&'a str>,
    }
    let outcome = match refusal {
        Some(ServerMessage::Error(error)) => {
            Outcome { ok: false, code: Some(error.code), message: Some(&error.message) }
        }
        _ => Outcome { ok: true, code: None, message: None },
    };
    packet(&format!("43{id}"), &[outcome])
}

fn packet(prefix: &str, data: &impl Serialize) -> String {
    let mut text = Vec::with_capacity(192);
    text.extend_from_slice(prefix.as_bytes());
    serde_json::to_writer(&mut text, data).expect("plain data always serialises");
    String::from_utf8(text).expect("JSON is UTF-8")
}

/// Reads the arguments of an event; data that names no room means the present one.
pub(crate) fn decode(
    arguments: &str,
    present: Option<RoomId>,
) -> Result<ClientMessage, DecodeError> {
    if arguments.len() > MAX_EVENT_BYTES {
        return Err(DecodeError::TooLarge("event"));
    }
    let Named { name, data } = serde_json::from_str(arguments)
        .map_err(|_| DecodeError::Malformed("not a name and its data".into()))?;
    let data = data.map_or("null", RawValue::get);
    ClientMessage::from_parts(&name, data, present.ok_or(DecodeError::NoRoom))
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
            ("1", Some(Packet::Bye)),
            ("3", Some(Packet::Alive)),
            ("40", Some(Packet::Connect("/"))),
            ("40{\"token\":1}", Some(Packet::Connect("/"))),
            ("40/admin,{}", Some(Packet::Connect("/admin"))),
            ("40/admin", Some(Packet::Connect("/admin"))),
            ("41", Some(Packet::Bye)),
            ("41/admin,", Some(Packet::Alive)),
            ("42[\"search\"]", event("[\"search\"]", None)),
            ("4212[\"search\"]", event("[\"search\"]", Some(12))),
            ("42/,[\"search\"]", event("[\"search\"]", None)),
            ("42/admin,[\"search\"]", Some(Packet::Alive)),
            ("431[]", Some(Packet::Alive)),
            ("451-[\"offer\"]", Some(Packet::Binary { ack: None })),
            ("452-7[\"offer\"]", Some(Packet::Binary { ack: Some(7) })),
            ("452-/admin,[\"offer\"]", Some(Packet::Binary { ack: None })),
            ("45[\"offer\"]", None),
            ("461-3[]", Some(Packet::Alive)),
            ("bAQID", Some(Packet::Alive)),
            ("4", None),
            ("4é", None),
            ("", None),
            ("0", None),
            ("2", None),
        ] {
            assert_eq!(Packet::parse(text), packet, "{text}");
        }
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
