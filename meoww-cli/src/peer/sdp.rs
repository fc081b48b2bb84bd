//! Session descriptions as lines (RFC 8866), to look at and change before the `rtc` crate reads them.
//!
//! That crate refuses a description as a whole when one of its sections is rejected or has no codec
//! in common. Such sections are left out of what it is given, and put back into its answer as
//! rejected (port 0, RFC 3264 section 6).

pub(super) mod own;
mod sections;

use self::sections::{bundle, direction, push_line, split};
use super::remote::Kind;

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
    pub(crate) sends_sound: bool,
    pub(crate) wants_sound: bool,
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
        ufrag: ufrag(sdp),
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

/// The name of the generation that a description begins.
pub(super) fn ufrag(sdp: &str) -> Option<String> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-ufrag:")).map(str::to_owned)
}

#[cfg(test)]
mod tests;
