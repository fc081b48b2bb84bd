//! A description as lines: those before the first section, and the sections.

use super::Rejected;
use crate::peer::remote::Kind;

/// A call has a handful: audio, video, a data channel.
pub(super) const MAX_SECTIONS: usize = 16;

/// The lines of one section; the first begins with `m=`.
pub(super) struct Section<'a>(pub(super) Vec<&'a str>);

impl<'a> Section<'a> {
    /// The words of the first line: kind, port, protocol, formats.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a str> {
        self.0[0]["m=".len()..].split(' ')
    }

    pub(super) fn is(&self, kind: &str) -> bool {
        self.words().next() == Some(kind)
    }

    /// The value of the first attribute of that name.
    pub(super) fn value(&self, name: &str) -> Option<&'a str> {
        let attribute =
            |line: &&'a str| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':');
        self.0.iter().find_map(attribute)
    }

    pub(super) fn has(&self, attribute: &str) -> bool {
        self.0.iter().any(|line| line.strip_prefix("a=") == Some(attribute))
    }

    /// Rejected or stopped. Sections that are bundled with another have no port either (RFC 9143).
    fn is_rejected(&self) -> bool {
        self.words().nth(1) == Some("0") && !self.has("bundle-only")
    }

    pub(super) fn is_usable(&self) -> bool {
        !self.is_rejected()
            && match self.words().next() {
                Some("video") => self.has_codec("H264/90000"),
                Some("audio") => self.has_codec("opus/48000/2"),
                Some("application") => self.words().any(|word| word == "webrtc-datachannel"),
                Some(_) | None => false,
            }
    }

    fn has_codec(&self, codec: &str) -> bool {
        let maps = self.0.iter().filter_map(|line| line.strip_prefix("a=rtpmap:"));
        let mut names = maps.filter_map(|map| map.split(' ').nth(1));
        names.any(|name| name.eq_ignore_ascii_case(codec))
    }

    /// Of a section that is not used. H.264 was offered to whoever rejects a section in an answer.
    pub(super) fn lacks_our_codec(&self, kind: Kind) -> bool {
        self.is("video")
            && match kind {
                Kind::Offer => !self.is_rejected() && !self.has("inactive"),
                Kind::Answer => true,
            }
    }

    pub(super) fn reject(&self, index: usize) -> Rejected {
        let mut lines = String::new();
        let words = self.words().enumerate();
        let words: Vec<_> = words.map(|(n, word)| if n == 1 { "0" } else { word }).collect();
        push_line(&mut lines, &format!("m={}", words.join(" ")));
        push_line(&mut lines, "c=IN IP4 0.0.0.0");
        push_line(&mut lines, "a=inactive");
        if let Some(mid) = self.value("mid") {
            push_line(&mut lines, &format!("a=mid:{mid}"));
        }
        Rejected { index, lines }
    }
}

/// The lines before the first section, and the sections.
pub(super) fn split(sdp: &str) -> Option<(Vec<&str>, Vec<Section<'_>>)> {
    let (mut session, mut sections) = (Vec::new(), Vec::new());
    for line in sdp.lines().filter(|line| !line.is_empty()) {
        match sections.last_mut() {
            _ if line.starts_with("m=") => sections.push(Section(vec![line])),
            Some(Section(lines)) => lines.push(line),
            None => session.push(line),
        }
    }
    let begins = session.first() == Some(&"v=0");
    (begins && sections.len() <= MAX_SECTIONS).then_some((session, sections))
}

/// The direction of a section for its sender: its own attribute, the session's, or both ways
/// (RFC 8866, section 6.7).
pub(super) fn direction(session: &[&str], section: &Section<'_>) -> &'static str {
    const ALL: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let of_session =
        |direction: &&str| session.iter().any(|line| line.strip_prefix("a=") == Some(*direction));
    let own = ALL.into_iter().find(|direction| section.has(direction));
    own.or_else(|| ALL.into_iter().find(of_session)).unwrap_or("sendrecv")
}

/// The bundle group without sections that are not used.
pub(super) fn bundle(mids: &str, dropped: &[&str]) -> String {
    let mids = mids.split(' ').filter(|mid| !mid.is_empty() && !dropped.contains(mid));
    mids.fold("a=group:BUNDLE".to_owned(), |group, mid| group + " " + mid)
}

pub(super) fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}
