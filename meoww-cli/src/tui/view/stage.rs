//! The partner's picture, or what there is to say in its place.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::Widget,
};

use crate::core::event::{NoPicture, Safety};

use super::{
    super::{
        sound::PartnerSound,
        state::{Phase, State},
        update::news::ended,
    },
    centred_lines, clock, theme,
};

const SPINNER: [&str; 10] = ["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"];
const ASCII_SPINNER: [&str; 4] = ["|", "/", "-", "\\"];

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let mut pane = theme::pane().title(Line::styled(" meoww ", theme::ACCENT.patch(theme::BOLD)));
    if let Phase::Live { .. } | Phase::Connecting { .. } = state.phase {
        pane = pane.title(Line::styled(stranger(state), theme::STRANGER).right_aligned());
    }
    if let (Phase::Live { .. }, Some(safety)) = (state.phase, state.safety) {
        pane = pane.title_bottom(safety_line(safety));
    }
    let inside = pane.inner(area);
    pane.render(area, buf);
    if state.shows_remote() {
        return;
    }
    let mut lines = cat(state);
    lines.push(Line::default());
    lines.extend(words(state));
    // The self view takes the lower right: what it leaves above is enough for the words.
    let height = match state.layout.as_ref().and_then(|layout| layout.self_view) {
        Some(self_view) if inside.height < 14 => self_view.y - inside.y,
        Some(_) | None => inside.height,
    };
    if usize::from(height) < lines.len() {
        lines.drain(..4);
    }
    centred_lines(lines, Rect { height, ..inside }, buf);
}

fn stranger(state: &State) -> String {
    if let Some(left) = state.coarse_for().filter(|_| state.shows_remote()) {
        return format!(" clear in {} s, F9: now ", left.as_millis().div_ceil(1000));
    }
    let name = match state.partner_sound {
        PartnerSound::On => " stranger ",
        PartnerSound::Muted => " stranger, muted ",
        PartnerSound::Absent => " stranger, no sound ",
    };
    name.to_owned()
}

/// On the lower border, for as long as the call goes on.
fn safety_line(safety: Safety) -> Line<'static> {
    match safety {
        Safety::Words(words) => Line::styled(format!(" {} ", words.join(" ")), theme::GOOD),
        Safety::Unverified => Line::styled(" unverified ", theme::DIM),
        Safety::Broken => Line::styled(" safety check failed ", theme::WARN),
    }
}

fn words(state: &State) -> Vec<Line<'static>> {
    let next = |what| Line::from(vec![Span::styled("Ctrl-N", theme::ACCENT), Span::raw(what)]);
    let wait = |what, since| {
        Line::from(vec![
            Span::styled(spinner(state), theme::ACCENT),
            Span::raw(what),
            Span::styled(clock(state.now.saturating_sub(since)), theme::DIM),
        ])
    };
    match state.phase {
        Phase::Idle => vec![next(" to meet a stranger")],
        Phase::Searching { since } => vec![wait(" Looking for someone  ", since)],
        Phase::Connecting { since } => vec![wait(" Found someone, connecting  ", since)],
        Phase::Live { .. } => vec![Line::styled(no_picture(state), theme::DIM)],
        Phase::Ended(reason) => vec![Line::raw(ended(reason)), next(" for the next stranger")],
    }
}

/// Why there is no picture in a call; the chat has the whole of it.
fn no_picture(state: &State) -> &'static str {
    match state.no_picture {
        _ if !state.partner_camera => "Their camera is off",
        None => "No picture from them yet",
        Some(NoPicture::NotSent) => "They send no video",
        Some(NoPicture::NoCommonCodec) => "Their side has no H.264",
        Some(NoPicture::NotDecoded) => "Their video cannot be decoded",
        Some(NoPicture::TooLarge { .. }) => "Their picture is too large",
    }
}

fn spinner(state: &State) -> &'static str {
    let tenths = (state.now.as_millis() / 100) as usize;
    if state.unicode {
        SPINNER[tenths % SPINNER.len()]
    } else {
        ASCII_SPINNER[tenths % ASCII_SPINNER.len()]
    }
}

/// The cat looks around while it waits, blinks now and then, and sleeps when nobody is there.
fn cat(state: &State) -> Vec<Line<'static>> {
    let seconds = state.now.as_secs();
    let face = match state.phase {
        Phase::Idle | Phase::Ended(_) => "( -.- )",
        Phase::Searching { .. } if seconds % 7 == 3 => "(o.o  )",
        Phase::Searching { .. } if seconds % 7 == 5 => "(  o.o)",
        Phase::Connecting { .. } | Phase::Live { .. } => "( ^.^ )",
        Phase::Searching { .. } => "( o.o )",
    };
    let line = |text| Line::styled(text, theme::ACCENT);
    vec![line(" /\\_/\\ "), line(face), line(" > ^ < ")]
}
