//! This side's own descriptions, before they go out.

use super::{
    Rejected,
    sections::{bundle, push_line, split},
};
use crate::picture::decode::LEVEL_IDC;

/// An answer with the sections that were left out of its offer.
pub(in crate::peer) fn with_rejected(answer: &str, rejected: &[Rejected]) -> Option<String> {
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
pub(in crate::peer) fn data_first(offer: &str) -> Option<String> {
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
pub(in crate::peer) fn with_level_of_decoder(line: &str) -> String {
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
