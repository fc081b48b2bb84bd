//! The lowest line: how the call goes, and which key does what.

use meoww_proto::signal::Presence;
use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{
    super::{
        sound::Microphone,
        state::{Phase, State},
        update::news::path,
    },
    clock, theme,
};
use crate::core::event::Stats;

/// Keys worth a hint, the most important first.
const HINTS: [(&str, &str); 9] = [
    ("Ctrl-N", "next"),
    ("F1", "help"),
    ("Ctrl-C", "quit"),
    ("F4", "camera"),
    ("F7", "mute"),
    ("F2", "you"),
    ("F3", "chat"),
    ("F5", "block"),
    ("F6", "report"),
];

const BLOCK_QUESTION: &str = "Block for good? Press again; Esc: no";
/// While another press would not count yet.
const BLOCK_QUESTION_FIRST: &str = "Block for good? Esc: no";

/// Columns between two parts.
const GAP: usize = 2;

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let width = usize::from(area.width);
    // The key for the next stranger is never crowded out.
    let room = width - hint(HINTS[0]).width();
    let left = fitting(left(state, room), room);
    let hints = fitting(HINTS.map(hint).into(), width - left.width());
    left.render(area, buf);
    hints.right_aligned().render(area, buf);
}

/// As many of the parts, the first first, as fit the room.
fn fitting(parts: Vec<Line<'static>>, room: usize) -> Line<'static> {
    let mut line = Line::default();
    for part in parts {
        if line.width() + part.width() > room {
            break;
        }
        line.extend(part);
    }
    line
}

fn hint((key, what): (&'static str, &'static str)) -> Line<'static> {
    let what = Span::styled(format!(" {what} "), theme::DIM);
    Line::from(vec![Span::raw(" "), Span::styled(key, theme::ACCENT), what])
}

fn left(state: &State, room: usize) -> Vec<Line<'static>> {
    let (style, words) = standing(state);
    let mut parts = vec![Line::from(vec![Span::styled(" ● ", style), Span::raw(words)])];
    let mut add = |style: Style, text: String| parts.push(Line::styled(format!("  {text}"), style));
    if !state.camera {
        add(theme::WARN, "camera off".to_owned());
    }
    match state.sound.microphone {
        _ if state.sound.is_missing => add(theme::WARN, "no microphone".to_owned()),
        Microphone::Muted => add(theme::WARN, "muted".to_owned()),
        Microphone::PushToTalk { until: Some(_) } => add(theme::GOOD, "talking".to_owned()),
        Microphone::Absent | Microphone::Open | Microphone::PushToTalk { until: None } => {}
    }
    if state.sound.deafened {
        add(theme::WARN, "not hearing".to_owned());
    }
    if state.unread > 0 {
        add(theme::STRANGER, format!("{} unread, F3", state.unread));
    }
    let question = state.block_asked.map(|_| match state.takes_block() {
        true => BLOCK_QUESTION,
        false => BLOCK_QUESTION_FIRST,
    });
    let notice = || state.notice.as_ref().map(|(notice, _)| notice.as_str());
    if let Some(retry) = state.server_retry.filter(|_| question.is_none()) {
        let seconds = retry.saturating_sub(state.now).as_millis().div_ceil(1000);
        add(theme::WARN, format!("server lost, trying again in {seconds} s"));
    } else if let Some(notice) = question.or_else(notice) {
        let taken: usize = parts.iter().map(Line::width).sum();
        let notice = cut(notice, room.saturating_sub(taken + GAP), state.unicode);
        parts.push(Line::styled(format!("  {notice}"), theme::WARN));
    } else if let (Phase::Live { .. }, Some(stats)) = (state.phase, &state.stats) {
        numbers(stats).for_each(|number| add(theme::DIM, number));
    } else if let Some(Presence { online, searching }) = state.presence {
        add(theme::DIM, format!("{online} online, {searching} searching"));
    }
    parts
}

/// As much of a notice as fits `room`; all of it is in the chat.
fn cut(notice: &str, room: usize, unicode: bool) -> String {
    if notice.width() <= room {
        return notice.to_owned();
    }
    let end = if unicode { "…" } else { ".." };
    let mut room = room.saturating_sub(end.width());
    let fits = |c: &char| {
        let width = c.width().unwrap_or(0);
        let fits = width <= room;
        room = room.saturating_sub(width);
        fits
    };
    let kept: String = notice.chars().take_while(fits).collect();
    kept.trim_end().to_owned() + end
}

fn standing(state: &State) -> (Style, String) {
    if let Some((_, since)) = state.reconnecting {
        let passed = clock(state.now.saturating_sub(since));
        return (theme::WARN, format!("reconnecting {passed}"));
    }
    match state.phase {
        Phase::Idle => (theme::DIM, "idle".to_owned()),
        Phase::Searching { .. } => (theme::ACCENT, "searching".to_owned()),
        Phase::Connecting { .. } => (theme::WARN, "connecting".to_owned()),
        Phase::Live { since, relayed } => {
            let passed = clock(state.now.saturating_sub(since));
            (theme::GOOD, format!("live {passed} {}", path(relayed)))
        }
        Phase::Ended(_) => (theme::DIM, "ended".to_owned()),
    }
}

fn numbers(stats: &Stats) -> impl Iterator<Item = String> {
    let numbers = [
        Some(format!("{:.0} fps", stats.fps_drawn)),
        Some(format!("{:.0} kbit/s", stats.kbps_in)),
        stats.rtt_ms.map(|rtt| format!("{rtt:.0} ms")),
    ];
    numbers.into_iter().flatten()
}
