//! Descriptions and candidates of a stranger, read with care.

use rtc::peer_connection::transport::RTCIceCandidateInit;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;
use webrtc::peer_connection::RTCSessionDescription;

/// A browser's offer of audio and video has 5 to 10 kB.
const MAX_DESCRIPTION: usize = 32 * 1024;
const MAX_CANDIDATE: usize = 1024;
/// Candidates taken from one partner, in descriptions or alone: each is checked 50 times a second
/// from each local address, and may name any third party.
pub(super) const MAX_CANDIDATES: usize = 24;

/// Why a description is not used.
#[derive(Debug, Error, PartialEq, Eq)]
pub(crate) enum BadDescription {
    #[error("the partner's description is too long")]
    TooLong,
    #[error("the partner's description names too many addresses")]
    TooManyCandidates,
    #[error("the partner's description is malformed")]
    Malformed,
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
struct Description {
    #[serde(rename = "type")]
    kind: Kind,
    sdp: String,
}

/// An `RTCSessionDescriptionInit` of the kind that is due.
pub(crate) fn description(
    json: &RawValue,
    due: Kind,
) -> Result<RTCSessionDescription, BadDescription> {
    if json.get().len() > MAX_DESCRIPTION {
        return Err(BadDescription::TooLong);
    }
    let Description { kind, sdp } =
        serde_json::from_str(json.get()).map_err(|_| BadDescription::Malformed)?;
    if sdp.matches("a=candidate:").count() > MAX_CANDIDATES {
        return Err(BadDescription::TooManyCandidates);
    }
    let description = match kind {
        Kind::Offer => RTCSessionDescription::offer(sdp),
        Kind::Answer => RTCSessionDescription::answer(sdp),
    };
    description.ok().filter(|_| kind == due).ok_or(BadDescription::Malformed)
}

/// An `RTCIceCandidateInit`. `None` for one that says nothing: null, empty (both: no more will
/// come), malformed or absurdly long.
pub(crate) fn candidate(json: &RawValue) -> Option<RTCIceCandidateInit> {
    if json.get().len() > MAX_CANDIDATE {
        return None;
    }
    let candidate: RTCIceCandidateInit = serde_json::from_str(json.get()).ok()?;
    (!candidate.candidate.trim().is_empty()).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).unwrap()
    }

    #[test]
    fn candidates_as_browsers_send_them() {
        let json = r#"{"candidate":"candidate:1 1 udp 2 192.0.2.7 5000 typ host","sdpMid":"0",
            "sdpMLineIndex":0,"usernameFragment":"abcd"}"#;
        assert!(candidate(&raw(json)).is_some());
        for nothing in ["null", "{}", r#"{"candidate":""}"#, r#"{"candidate":null}"#, "7", "[]"] {
            assert!(candidate(&raw(nothing)).is_none(), "{nothing}");
        }
        let long = format!(r#"{{"candidate":"{}"}}"#, "x".repeat(MAX_CANDIDATE));
        assert!(candidate(&raw(&long)).is_none());
    }

    #[test]
    fn descriptions_that_are_not_used() {
        let bad = |json: &str| description(&raw(json), Kind::Offer).err();
        assert_eq!(bad("null"), Some(BadDescription::Malformed));
        assert_eq!(bad(r#"{"type":"offer"}"#), Some(BadDescription::Malformed));
        assert_eq!(bad(r#"{"type":"rollback","sdp":""}"#), Some(BadDescription::Malformed));
        let answer =
            r#"{"type":"answer","sdp":"v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"}"#;
        assert_eq!(bad(answer), Some(BadDescription::Malformed));
        assert!(description(&raw(answer), Kind::Answer).is_ok());
        let long = format!(r#"{{"type":"offer","sdp":"{}"}}"#, "a".repeat(MAX_DESCRIPTION));
        assert_eq!(bad(&long), Some(BadDescription::TooLong));
        let many = "a=candidate:1 1 udp 2 192.0.2.7 5000 typ host\\r\\n".repeat(MAX_CANDIDATES + 1);
        let many = format!(r#"{{"type":"offer","sdp":"v=0\r\n{many}"}}"#);
        assert_eq!(bad(&many), Some(BadDescription::TooManyCandidates));
    }

    proptest! {
        #[test]
        fn noise_never_panics(text in "\\PC*") {
            let json = serde_json::value::to_raw_value(&text).unwrap();
            prop_assert!(candidate(&json).is_none());
            prop_assert!(description(&json, Kind::Offer).is_err());
        }
    }
}
