//! Engine.IO, revision 4: packets below those of Socket.IO.

use axum::{body::Bytes, extract::ws::Utf8Bytes};
use serde::Serialize;

/// Between the packets of one poll or post.
pub(crate) const SEPARATOR: char = '\u{1e}';
/// The server closes the transport.
pub(super) const CLOSE: &str = "1";
/// The client answers it with a [`Kind::Pong`].
pub(super) const PING: &str = "2";
/// Ends a poll and says nothing.
pub(super) const NOOP: &str = "6";
/// A client that tries whether a WebSocket works, the answer, and the client's decision.
pub(super) const PROBE: &str = "2probe";
pub(super) const PROBED: &str = "3probe";
pub(super) const UPGRADE: &str = "5";

/// A kind of packet that a client may send at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It closes the transport.
    Close,
    /// It answers a ping.
    Pong,
    /// A packet of Socket.IO.
    Message,
    /// An attachment, of which its event says all there is to say; or nothing at all.
    Ignored,
}

/// Returns the kind of a packet, or `None` for what no client of this protocol sends.
pub(super) fn kind(packet: &str) -> Option<Kind> {
    match packet.as_bytes() {
        [b'1'] => Some(Kind::Close),
        [b'3'] => Some(Kind::Pong),
        [b'4', ..] => Some(Kind::Message),
        [b'6'] | [b'b', ..] => Some(Kind::Ignored),
        _ => None,
    }
}

/// Returns the first packet of a transport; times are in milliseconds.
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
    let open = Open { sid, upgrades, ping_interval, ping_timeout, max_payload };
    let open = serde_json::to_string(&open).expect("plain data always serialises");
    format!("0{open}")
}

/// The packets of one post. They are cut off one by one: a list of them would take sixteen times
/// the memory of a body with packets of one byte.
pub(crate) struct Payload(Option<Bytes>);

impl Payload {
    /// Reads a body; `None` if there is a packet in it that no client of this protocol sends.
    pub(crate) fn parse(body: String) -> Option<Self> {
        body.split(SEPARATOR).all(|packet| kind(packet).is_some()).then(|| Self(Some(body.into())))
    }
}

impl Iterator for Payload {
    type Item = Utf8Bytes;

    fn next(&mut self) -> Option<Utf8Bytes> {
        let mut packet = self.0.take()?;
        if let Some(at) = packet.iter().position(|byte| *byte == SEPARATOR as u8) {
            let rest = packet.split_off(at + 1);
            packet.truncate(at);
            self.0 = Some(rest);
        }
        Utf8Bytes::try_from(packet).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_of_the_protocol_are_told_apart() {
        for (packet, expected) in [
            ("1", Some(Kind::Close)),
            ("3", Some(Kind::Pong)),
            ("4", Some(Kind::Message)),
            ("42[\"search\"]", Some(Kind::Message)),
            ("6", Some(Kind::Ignored)),
            ("bAQID", Some(Kind::Ignored)),
            ("", None),
            ("0", None),
            ("2", None),
            ("3probe", None),
            ("5", None),
            ("abc", None),
        ] {
            assert_eq!(kind(packet), expected, "{packet}");
        }
    }

    #[test]
    fn a_body_comes_apart_at_its_separators() {
        let packets = |body: &str| {
            let payload = Payload::parse(body.to_owned())?;
            Some(payload.map(|packet| packet.as_str().to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(packets("3").expect("valid"), ["3"]);
        assert_eq!(packets("3\u{1e}42[\"ä\"]\u{1e}6").expect("valid"), ["3", "42[\"ä\"]", "6"]);
        for invalid in ["", "3\u{1e}", "\u{1e}3", "3\u{1e}abc\u{1e}3", "0"] {
            assert!(packets(invalid).is_none(), "{invalid:?}");
        }
    }
}
