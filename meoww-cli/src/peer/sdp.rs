//! Session descriptions as lines (RFC 8866), to look at and change before the `rtc` crate reads them.
//!
//! That crate refuses a description as a whole when one of its sections is rejected or has no codec
//! in common. Such sections are left out of what it is given, and put back into its answer as
//! rejected (port 0, RFC 3264 section 6).

use super::remote::Kind;
use crate::picture::decode::LEVEL_IDC;

/// A call has a handful: audio, video, a data channel.
const MAX_SECTIONS: usize = 16;

/// What the partner's description says about pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TheirVideo {
    /// They may come.
    Offered,
    /// There are to be pictures, but not in H.264, or not with this side's.
    NoCommonCodec,
    /// There are to be none.
    NotSent,
}

/// Which sections of a description are used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Usable {
    /// The description with these sections alone, and without candidates.
    pub(crate) sdp: String,
    /// The candidates of the whole description (`candidate:...`).
    pub(super) candidates: Vec<String>,
    pub(super) ufrag: Option<String>,
    pub(super) video: TheirVideo,
    /// Whether the partner wants pictures, in a codec of ours.
    pub(super) wants_video: bool,
    /// Whether sound may come, in a codec of ours, and whether the partner wants it. All of WebRTC
    /// has Opus (RFC 7874, section 3), so that none in common is as good as none.
    pub(super) sends_sound: bool,
    pub(super) wants_sound: bool,
    pub(super) rejected: Vec<Rejected>,
    /// The place of the first section that is used.
    pub(super) first: u16,
}

/// A section that is not used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Rejected {
    /// Its place among all.
    index: usize,
    /// Its lines in an answer.
    lines: String,
}

/// Why nothing of a description can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is none, or has too many sections.
    Malformed,
    NothingInCommon,
}

/// Finds what can be used.
pub(super) fn usable(sdp: &str, kind: Kind) -> Result<Usable, Unusable> {
    let (session, sections) = split(sdp).ok_or(Unusable::Malformed)?;
    let (used, unused): (Vec<_>, Vec<_>) =
        sections.iter().enumerate().partition(|(_, section)| section.is_usable());
    let dropped: Vec<_> = unused.iter().filter_map(|(_, section)| section.value("mid")).collect();
    let is_candidate =
        |line: &str| line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates");
    let mut text = String::new();
    // Candidates belong to sections, but no more of them may pass where they do not.
    for line in session.iter().filter(|line| !is_candidate(line)) {
        match line.strip_prefix("a=group:BUNDLE") {
            Some(mids) => push_line(&mut text, &bundle(mids, &dropped)),
            None => push_line(&mut text, line),
        }
    }
    let lines = used.iter().flat_map(|(_, section)| &section.0);
    lines.filter(|line| !is_candidate(line)).for_each(|line| push_line(&mut text, line));
    let all = session.iter().chain(sections.iter().flat_map(|section| &section.0));
    let directions = |kind: &str, wanted: [&str; 2]| {
        let mut of_kind = used.iter().filter(|(_, section)| section.is(kind));
        of_kind.any(|(_, section)| wanted.contains(&direction(&session, section)))
    };
    let sends = |kind| directions(kind, ["sendrecv", "sendonly"]);
    let wants = |kind| directions(kind, ["sendrecv", "recvonly"]);
    let usable = Usable {
        ufrag: all.clone().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::to_owned),
        candidates: all
            .filter_map(|line| line.strip_prefix("a="))
            .filter(|attribute| attribute.starts_with("candidate:"))
            .map(str::to_owned)
            .collect(),
        video: match () {
            () if sends("video") => TheirVideo::Offered,
            () if unused.iter().any(|(_, section)| section.lacks_our_codec(kind)) => {
                TheirVideo::NoCommonCodec
            }
            () => TheirVideo::NotSent,
        },
        wants_video: wants("video"),
        sends_sound: sends("audio"),
        wants_sound: wants("audio"),
        rejected: unused.iter().map(|(index, section)| section.reject(*index)).collect(),
        first: used.first().map_or(0, |(index, _)| *index as u16),
        sdp: text,
    };
    if used.is_empty() { Err(Unusable::NothingInCommon) } else { Ok(usable) }
}

/// An answer with the sections that were left out of its offer.
pub(super) fn with_rejected(answer: &str, rejected: &[Rejected]) -> Option<String> {
    let (session, sections) = split(answer)?;
    let mut kept = sections.iter();
    let mut text = String::new();
    session.iter().for_each(|line| push_line(&mut text, line));
    for index in 0..sections.len() + rejected.len() {
        match rejected.iter().find(|section| section.index == index) {
            Some(section) => text.push_str(&section.lines),
            None => kept.next()?.0.iter().for_each(|line| push_line(&mut text, line)),
        }
    }
    Some(text)
}

/// This side's offer with its data channel first. A partner that has no use for a section forgets the
/// candidates that name it, and those all name the first; nobody rejects a data channel.
pub(super) fn data_first(offer: &str) -> Option<String> {
    let (session, mut sections) = split(offer)?;
    sections.sort_by_key(|section| !section.is("application"));
    let mids: Vec<_> = sections.iter().filter_map(|section| section.value("mid")).collect();
    let mut text = String::new();
    for line in session {
        match line.starts_with("a=group:BUNDLE") {
            true => push_line(&mut text, &bundle(&mids.join(" "), &[])),
            false => push_line(&mut text, line),
        }
    }
    let lines = sections.iter().flat_map(|section| &section.0);
    lines.for_each(|line| push_line(&mut text, line));
    Some(text)
}

/// A line of this side's answer, where the `rtc` crate repeats the level that the partner decodes:
/// each side says its own, as both allow levels to differ (RFC 6184, section 8.2.2).
pub(super) fn with_level_of_decoder(line: &str) -> String {
    let level = line.find("profile-level-id=42e0").map(|at| at + "profile-level-id=42e0".len());
    match level.and_then(|at| Some((&line[..at], line.get(at + 2..)?))) {
        Some((before, after))
            if line.starts_with("a=fmtp:") && line.contains("level-asymmetry-allowed=1") =>
        {
            format!("{before}{LEVEL_IDC:02x}{after}")
        }
        Some(_) | None => line.to_owned(),
    }
}

/// The lines of one section; the first begins with `m=`.
struct Section<'a>(Vec<&'a str>);

impl<'a> Section<'a> {
    /// The words of the first line: kind, port, protocol, formats.
    fn words(&self) -> impl Iterator<Item = &'a str> {
        self.0[0]["m=".len()..].split(' ')
    }

    fn is(&self, kind: &str) -> bool {
        self.words().next() == Some(kind)
    }

    /// The value of the first attribute of that name.
    fn value(&self, name: &str) -> Option<&'a str> {
        let attribute =
            |line: &&'a str| line.strip_prefix("a=")?.strip_prefix(name)?.strip_prefix(':');
        self.0.iter().find_map(attribute)
    }

    fn has(&self, attribute: &str) -> bool {
        self.0.iter().any(|line| line.strip_prefix("a=") == Some(attribute))
    }

    /// Rejected or stopped. Sections that are bundled with another have no port either (RFC 9143).
    fn is_rejected(&self) -> bool {
        self.words().nth(1) == Some("0") && !self.has("bundle-only")
    }

    fn is_usable(&self) -> bool {
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
    fn lacks_our_codec(&self, kind: Kind) -> bool {
        self.is("video")
            && match kind {
                Kind::Offer => !self.is_rejected() && !self.has("inactive"),
                Kind::Answer => true,
            }
    }

    fn reject(&self, index: usize) -> Rejected {
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
fn split(sdp: &str) -> Option<(Vec<&str>, Vec<Section<'_>>)> {
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

/// What the sender of a description does with a section: its own word, the session's, or both ways
/// (RFC 8866, section 6.7).
fn direction(session: &[&str], section: &Section<'_>) -> &'static str {
    const ALL: [&str; 4] = ["sendrecv", "sendonly", "recvonly", "inactive"];
    let of_session =
        |direction: &&str| session.iter().any(|line| line.strip_prefix("a=") == Some(*direction));
    let own = ALL.into_iter().find(|direction| section.has(direction));
    own.or_else(|| ALL.into_iter().find(of_session)).unwrap_or("sendrecv")
}

/// The bundle group without sections that are not used.
fn bundle(mids: &str, dropped: &[&str]) -> String {
    let mids = mids.split(' ').filter(|mid| !mid.is_empty() && !dropped.contains(mid));
    mids.fold("a=group:BUNDLE".to_owned(), |group, mid| group + " " + mid)
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push_str("\r\n");
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SESSION: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n";
    const AUDIO: &str = "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=ice-ufrag:abcd\r\n\
        a=rtpmap:111 opus/48000/2\r\n";
    const H264: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 102\r\na=mid:1\r\na=sendrecv\r\n\
        a=rtpmap:96 VP8/90000\r\na=rtpmap:102 H264/90000\r\n";
    const VP8: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\n";
    const DATA: &str = "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:2\r\n";
    /// As Chromium answers when it has none of the codecs.
    const REJECTED: &str = "m=video 0 UDP/TLS/RTP/SAVPF 102\r\na=inactive\r\na=mid:1\r\n";

    fn offer(sections: &[&str]) -> String {
        format!("{SESSION}a=group:BUNDLE 0 1 2\r\n{}", sections.concat())
    }

    fn video(sections: &[&str], kind: Kind) -> (TheirVideo, bool) {
        let usable = usable(&offer(sections), kind).unwrap();
        (usable.video, usable.wants_video)
    }

    #[test]
    fn what_comes_of_pictures() {
        let one_way = |direction| H264.replace("sendrecv", direction);
        let cases = [
            (vec![AUDIO, H264, DATA], (TheirVideo::Offered, true)),
            (vec![AUDIO, VP8, DATA], (TheirVideo::NoCommonCodec, false)),
            (vec![AUDIO], (TheirVideo::NotSent, false)),
            (vec![DATA], (TheirVideo::NotSent, false)),
            (vec![AUDIO, REJECTED], (TheirVideo::NotSent, false)),
            (vec![VP8, H264], (TheirVideo::Offered, true)),
        ];
        for (sections, expected) in cases {
            assert_eq!(video(&sections, Kind::Offer), expected, "{sections:?}");
        }
        assert_eq!(video(&[&one_way("recvonly")], Kind::Offer), (TheirVideo::NotSent, true));
        assert_eq!(video(&[&one_way("sendonly")], Kind::Offer), (TheirVideo::Offered, false));
        assert_eq!(video(&[&one_way("inactive")], Kind::Offer), (TheirVideo::NotSent, false));
        // H.264 was offered: no for an answer means that there is none.
        assert_eq!(video(&[REJECTED, DATA], Kind::Answer), (TheirVideo::NoCommonCodec, false));
        let whole = offer(&[AUDIO, H264]).replace("sendrecv", "x");
        let inactive = whole.replace("t=0 0", "t=0 0\r\na=inactive");
        assert_eq!(usable(&inactive, Kind::Offer).unwrap().video, TheirVideo::NotSent);
    }

    #[test]
    fn what_comes_of_sound() {
        let sound = |sections: &[&str]| {
            let usable = usable(&offer(sections), Kind::Offer).unwrap();
            (usable.sends_sound, usable.wants_sound)
        };
        let one_way = |direction| format!("{AUDIO}a={direction}\r\n");
        assert_eq!(sound(&[AUDIO, DATA]), (true, true));
        assert_eq!(sound(&[&one_way("recvonly"), DATA]), (false, true));
        assert_eq!(sound(&[&one_way("sendonly"), DATA]), (true, false));
        assert_eq!(sound(&[&one_way("inactive"), DATA]), (false, false));
        assert_eq!(sound(&[H264, DATA]), (false, false));
        assert_eq!(sound(&[&AUDIO.replace("audio 9", "audio 0"), DATA]), (false, false));
        assert_eq!(sound(&[&AUDIO.replace("opus/48000/2", "PCMU/8000"), DATA]), (false, false));
    }

    #[test]
    fn sections_that_are_not_used_are_left_out_and_answered_as_rejected() {
        let usable = usable(&offer(&[AUDIO, VP8, DATA]), Kind::Offer).unwrap();
        assert_eq!(usable.sdp, format!("{SESSION}a=group:BUNDLE 0 2\r\n{AUDIO}{DATA}"));
        assert_eq!(usable.first, 0);
        let answer = with_rejected(&usable.sdp, &usable.rejected).unwrap();
        let rejected =
            "m=video 0 UDP/TLS/RTP/SAVPF 96\r\nc=IN IP4 0.0.0.0\r\na=inactive\r\na=mid:1\r\n";
        let expected = format!("{SESSION}a=group:BUNDLE 0 2\r\n{AUDIO}{rejected}{DATA}");
        assert_eq!(answer, expected);
    }

    #[test]
    fn an_offer_begins_with_what_is_not_rejected() {
        let data = DATA.replace("mid:2", "mid:0");
        let offered = format!("{SESSION}a=group:BUNDLE 1 0\r\n{H264}{data}");
        let expected = format!("{SESSION}a=group:BUNDLE 0 1\r\n{data}{H264}");
        assert_eq!(data_first(&offered).unwrap(), expected);
    }

    #[test]
    fn nothing_in_common_and_too_much() {
        let refused = |sections: &[&str]| usable(&offer(sections), Kind::Offer).err();
        assert_eq!(refused(&[VP8]), Some(Unusable::NothingInCommon));
        assert_eq!(refused(&[]), Some(Unusable::NothingInCommon));
        assert_eq!(refused(&[DATA; MAX_SECTIONS + 1]), Some(Unusable::Malformed));
        assert_eq!(refused(&[DATA; MAX_SECTIONS]), None);
        assert_eq!(usable("m=audio", Kind::Offer), Err(Unusable::Malformed));
    }

    #[test]
    fn candidates_are_taken_out() {
        let candidate = "candidate:1 1 udp 2 192.0.2.7 5000 typ host";
        let with = format!("{AUDIO}a={candidate}\r\na=end-of-candidates\r\n");
        let usable = usable(&offer(&[&with, DATA]), Kind::Offer).unwrap();
        assert_eq!(usable.candidates, [candidate]);
        assert_eq!(usable.ufrag.as_deref(), Some("abcd"));
        assert!(!usable.sdp.contains("candidate"), "{}", usable.sdp);
        let stray = offer(&[DATA]).replace("m=", &format!("a={candidate}\r\nm="));
        let usable = super::usable(&stray, Kind::Offer).unwrap();
        assert_eq!(usable.candidates, [candidate]);
        assert!(!usable.sdp.contains("candidate"), "{}", usable.sdp);
    }

    #[test]
    fn the_level_that_is_told_is_that_of_the_decoder() {
        let line = |level| {
            format!("a=fmtp:106 level-asymmetry-allowed=1;profile-level-id=42e0{level};x=1")
        };
        assert_eq!(with_level_of_decoder(&line("1f")), line("32"));
        for other in
            ["a=fmtp:106 profile-level-id=42e01f", "a=mid:0", "a=fmtp:1 profile-level-id=42e0"]
        {
            assert_eq!(with_level_of_decoder(other), other);
        }
    }

    proptest! {
        /// With what was left out put back, there are as many sections as there were, each at its
        /// place and of its kind.
        #[test]
        fn an_answer_matches_its_offer(
            sections in prop::collection::vec(
                prop::sample::select(vec![AUDIO, H264, VP8, DATA, REJECTED, "m=text 9 x y\r\n"]), 0..16,
            ),
        ) {
            if let Ok(usable) = usable(&offer(&sections), Kind::Offer) {
                let answer = with_rejected(&usable.sdp, &usable.rejected).unwrap();
                let kinds = |sdp: &str| -> Vec<_> {
                    let lines = sdp.lines().filter(|line| line.starts_with("m="));
                    lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect()
                };
                prop_assert_eq!(kinds(&answer), kinds(&offer(&sections)));
            }
        }

        #[test]
        fn noise_never_panics(lines in prop::collection::vec("[vmac]=[ -~]{0,20}", 0..40)) {
            let sdp = format!("v=0\n{}", lines.join("\n"));
            if let Ok(usable) = usable(&sdp, Kind::Offer) {
                prop_assert!(with_rejected(&usable.sdp, &usable.rejected).is_some());
            }
        }
    }
}
