//! Descriptions and candidates of a stranger, read with care.

use rtc::peer_connection::transport::RTCIceCandidateInit;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use webrtc::peer_connection::RTCSessionDescription;

use super::{
    candidates::Candidate,
    sdp::{self, Unusable, Usable},
};

/// A browser's offer of audio and video has 5 to 10 kB.
const MAX_DESCRIPTION: usize = 32 * 1024;
const MAX_CANDIDATE: usize = 1024;

/// Why a description is not used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BadDescription {
    #[error("the partner's description is too long")]
    TooLong,
    #[error("the partner's description is malformed")]
    Malformed,
    #[error("the partner has no H.264, and nothing else to connect for")]
    NothingInCommon,
}

/// Which half of the exchange a description is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Kind {
    Offer,
    Answer,
}

/// `RTCSessionDescriptionInit`.
#[derive(Deserialize)]
struct Init {
    #[serde(rename = "type")]
    kind: Kind,
    sdp: String,
}

/// What is used of an `RTCSessionDescriptionInit` of the kind that is due.
pub(crate) fn description(
    json: &RawValue,
    due: Kind,
) -> Result<(RTCSessionDescription, Usable), BadDescription> {
    if json.get().len() > MAX_DESCRIPTION {
        return Err(BadDescription::TooLong);
    }
    let Init { kind, sdp } =
        serde_json::from_str(json.get()).map_err(|_| BadDescription::Malformed)?;
    let usable = sdp::usable(&sdp, kind).map_err(|why| match why {
        Unusable::Malformed => BadDescription::Malformed,
        Unusable::NothingInCommon => BadDescription::NothingInCommon,
    })?;
    let description = match kind {
        Kind::Offer => RTCSessionDescription::offer(usable.sdp.clone()),
        Kind::Answer => RTCSessionDescription::answer(usable.sdp.clone()),
    };
    let description = description.ok().filter(|_| kind == due);
    Ok((description.ok_or(BadDescription::Malformed)?, usable))
}

/// A candidate that came alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trickled {
    pub(crate) candidate: Candidate,
    /// The description it belongs to, by its ICE user name.
    pub(super) ufrag: Option<String>,
}

/// An `RTCIceCandidateInit`. `None` for one that says nothing (null or empty: no more will come), is
/// malformed or absurdly long, or cannot be used.
pub(crate) fn candidate(json: &RawValue) -> Option<Trickled> {
    if json.get().len() > MAX_CANDIDATE {
        return None;
    }
    let init: RTCIceCandidateInit = serde_json::from_str(json.get()).ok()?;
    let text = init.candidate.trim();
    let candidate = Candidate::parse(text.strip_prefix("a=").unwrap_or(text))?;
    Some(Trickled { candidate, ufrag: init.username_fragment.filter(|name| !name.is_empty()) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n\
        m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n";

    fn raw(json: impl Into<String>) -> Box<RawValue> {
        RawValue::from_string(json.into()).unwrap()
    }

    fn init(kind: &str, sdp: &str) -> Box<RawValue> {
        raw(serde_json::json!({ "type": kind, "sdp": sdp }).to_string())
    }

    #[test]
    fn candidates_as_browsers_send_them() {
        let json = r#"{"candidate":"candidate:1 1 udp 2 192.0.2.7 5000 typ host","sdpMid":"0",
            "sdpMLineIndex":0,"usernameFragment":"abcd"}"#;
        let trickled = candidate(&raw(json)).unwrap();
        assert_eq!(trickled.ufrag.as_deref(), Some("abcd"));
        assert_eq!(trickled.candidate.text(), "candidate:1 1 udp 2 192.0.2.7 5000 typ host");
        for nothing in ["null", "{}", r#"{"candidate":""}"#, r#"{"candidate":null}"#, "7", "[]"] {
            assert_eq!(candidate(&raw(nothing)), None, "{nothing}");
        }
        let spaces = " ".repeat(MAX_CANDIDATE);
        assert_eq!(candidate(&raw(json.replace(" typ", &format!("{spaces}typ")))), None);
    }

    #[test]
    fn descriptions_that_are_not_used() {
        let bad = |json: Box<RawValue>| description(&json, Kind::Offer).err();
        assert_eq!(bad(raw("null")), Some(BadDescription::Malformed));
        assert_eq!(bad(raw(r#"{"type":"offer"}"#)), Some(BadDescription::Malformed));
        assert_eq!(bad(init("rollback", "")), Some(BadDescription::Malformed));
        assert_eq!(bad(init("answer", SDP)), Some(BadDescription::Malformed));
        assert!(description(&init("answer", SDP), Kind::Answer).is_ok());
        let long = "a".repeat(MAX_DESCRIPTION);
        assert_eq!(bad(init("offer", &long)), Some(BadDescription::TooLong));
        let vp8 = SDP.replace("application 9 UDP/DTLS/SCTP webrtc-datachannel", "video 9 x 96");
        assert_eq!(bad(init("offer", &vp8)), Some(BadDescription::NothingInCommon));
    }

    /// Damage where it reaches the parsers: inside of a description, each line in turn.
    #[test]
    fn a_damaged_line_is_refused_or_left_to_the_next_parser() {
        assert!(description(&init("offer", SDP), Kind::Offer).is_ok());
        let lines: Vec<_> = SDP.lines().collect();
        let with = |at: usize, line: &str| {
            let mut lines = lines.clone();
            lines[at] = line;
            description(&init("offer", &lines.join("\r\n")), Kind::Offer).err()
        };
        // The version, the origin, and the only section that there is.
        assert_eq!(with(0, "v=1"), Some(BadDescription::Malformed));
        assert_eq!(with(1, "o=-"), Some(BadDescription::Malformed));
        assert_eq!(with(4, "m=application"), Some(BadDescription::NothingInCommon));
        assert_eq!(
            with(4, "m=application x y webrtc-datachannel"),
            Some(BadDescription::Malformed)
        );
        // An attribute that is not known means nothing (RFC 8866, section 5.13).
        assert_eq!(with(5, "a=mid"), None);
    }
}
