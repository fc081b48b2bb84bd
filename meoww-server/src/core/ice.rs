//! Which candidates belong to which descriptions: by the user name fragment that both carry
//! (`ice-ufrag`, RFC 8839, section 5.4). A browser goes on gathering for the call that its user has
//! just left, and its page may send what was found on to the next one.

use std::borrow::Cow;

use serde::Deserialize;

/// Fragments that are remembered of a room: one a description, more without BUNDLE or after restarts.
const MAX_FRAGMENTS: usize = 8;
/// Longest fragment there may be.
const MAX_FRAGMENT_BYTES: usize = 256;

/// The fragments in the descriptions that one client sent, in its room and in the one before. Takes
/// no memory until there are some.
#[derive(Debug, Default)]
pub struct Fragments {
    present: Vec<Box<str>>,
    before: Vec<Box<str>>,
}

/// An `RTCSessionDescriptionInit`, as far as it matters.
#[derive(Deserialize)]
struct Description<'a> {
    #[serde(borrow)]
    sdp: Cow<'a, str>,
}

/// An `RTCIceCandidateInit`, as far as it matters.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Candidate<'a> {
    #[serde(borrow, default)]
    candidate: Option<Cow<'a, str>>,
    #[serde(borrow, default)]
    username_fragment: Option<Cow<'a, str>>,
}

impl Fragments {
    /// The client is in another room from here on.
    pub fn enter_room(&mut self) {
        self.before = std::mem::take(&mut self.present);
    }

    /// Takes note of the fragments of a description, in JSON, that the client sent.
    pub fn describe(&mut self, description: &str) {
        let Ok(Description { sdp }) = serde_json::from_str(description) else { return };
        let fragments = sdp.lines().filter_map(|line| line.strip_prefix("a=ice-ufrag:"));
        for fragment in fragments.map(str::trim_end) {
            let is_known = self.present.iter().any(|known| **known == *fragment);
            if is_known || fragment.len() > MAX_FRAGMENT_BYTES {
                continue;
            }
            if self.present.len() >= MAX_FRAGMENTS {
                self.present.remove(0);
            }
            self.present.push(fragment.into());
        }
    }

    /// Returns whether a candidate, in JSON, may be of a description of this room. One that carries
    /// no fragment may be; so may one that comes before any description, unless it is of the room
    /// before.
    pub fn admits(&self, candidate: &str) -> bool {
        let Ok(candidate) = serde_json::from_str::<Candidate<'_>>(candidate) else { return true };
        let Some(fragment) = candidate.fragment() else { return true };
        let is_among = |fragments: &[Box<str>]| fragments.iter().any(|it| **it == *fragment);
        if self.present.is_empty() { !is_among(&self.before) } else { is_among(&self.present) }
    }
}

impl Candidate<'_> {
    fn fragment(&self) -> Option<&str> {
        let named = self.username_fragment.as_deref();
        named.or_else(|| {
            // As an extension of the candidate attribute: names and values by turns.
            let mut words = self.candidate.as_deref()?.split_ascii_whitespace();
            words.find(|word| *word == "ufrag")?;
            words.next()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    /// As Chromium writes it.
    fn description(fragments: &[&str]) -> String {
        let media = |fragment| format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-ufrag:{fragment}");
        let media: Vec<_> = fragments.iter().map(media).collect();
        let sdp = format!("v=0\r\n{}\r\na=ice-pwd:x\r\n", media.join("\r\n"));
        json!({ "type": "offer", "sdp": sdp }).to_string()
    }

    fn candidate(fragment: &str) -> [String; 2] {
        let line = "candidate:1 1 udp 2113937151 192.0.2.1 54400 typ host generation 0";
        let with_line = json!({ "candidate": format!("{line} ufrag {fragment} network-cost 999") });
        let with_field = json!({ "candidate": line, "usernameFragment": fragment });
        [with_line.to_string(), with_field.to_string()]
    }

    #[test]
    fn candidates_pass_with_their_own_description_alone() {
        let mut fragments = Fragments::default();
        fragments.describe(&description(&["aaaa"]));
        fragments.describe(&description(&["bbbb", "cccc"]));
        for (fragment, passes) in [("aaaa", true), ("bbbb", true), ("cccc", true), ("dddd", false)]
        {
            for candidate in candidate(fragment) {
                assert_eq!(fragments.admits(&candidate), passes, "{candidate}");
            }
        }
    }

    #[test]
    fn candidates_of_the_room_before_do_not_pass_in_the_next() {
        let mut fragments = Fragments::default();
        fragments.describe(&description(&["aaaa"]));
        fragments.enter_room();
        for (fragment, passes) in [("aaaa", false), ("bbbb", true)] {
            for candidate in candidate(fragment) {
                assert_eq!(fragments.admits(&candidate), passes, "{candidate}");
            }
        }
        fragments.describe(&description(&["bbbb"]));
        assert!(candidate("bbbb").iter().all(|candidate| fragments.admits(candidate)));
        assert!(!candidate("aaaa").iter().any(|candidate| fragments.admits(candidate)));
    }

    #[test]
    fn what_names_no_fragment_passes() {
        let mut fragments = Fragments::default();
        fragments.describe(&description(&["aaaa"]));
        for candidate in [
            "null",
            "7",
            "\"ufrag\"",
            r#"{"candidate":null,"usernameFragment":null}"#,
            r#"{"candidate":""}"#,
            r#"{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host"}"#,
            r#"{"candidate":"candidate:1 1 udp 1 192.0.2.1 9 typ host ufrag"}"#,
        ] {
            assert!(fragments.admits(candidate), "{candidate}");
        }
    }

    proptest! {
        #[test]
        fn the_newest_fragments_are_kept_and_no_more(names in prop::collection::vec("[a-z]{4}", 0..40)) {
            let mut fragments = Fragments::default();
            for name in &names {
                fragments.describe(&description(&[name]));
            }
            prop_assert!(fragments.present.len() <= MAX_FRAGMENTS);
            if let Some(newest) = names.last() {
                prop_assert!(fragments.admits(&candidate(newest)[0]));
            }
        }
    }
}
