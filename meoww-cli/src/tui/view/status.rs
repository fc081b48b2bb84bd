//! The lowest line: how the call goes, and which key does what.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    style::Style,
    text::{Line, Span},
    widgets::Widget,
};

use super::{
    super::state::{Phase, State},
    clock, theme,
};
use crate::core::event::Stats;

/// Keys worth a hint, the most important first.
const HINTS: [(&str, &str); 6] = [
    ("Ctrl-N", "next"),
    ("F1", "help"),
    ("Ctrl-C", "quit"),
    ("F4", "camera"),
    ("F2", "you"),
    ("F3", "chat"),
];

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    let left = Line::from(left(state));
    let hints = hints(usize::from(area.width).saturating_sub(left.width() + 2));
    left.render(area, buf);
    hints.right_aligned().render(area, buf);
}

fn left(state: &State) -> Vec<Span<'static>> {
    let (style, words) = standing(state);
    let mut spans = vec![Span::styled(" ● ", style), Span::raw(words)];
    let mut add = |style: Style, text: String| spans.push(Span::styled(format!("  {text}"), style));
    if let Some(retry) = state.server_retry {
        let seconds = retry.saturating_sub(state.now).as_millis().div_ceil(1000);
        add(theme::WARN, format!("server lost, trying again in {seconds} s"));
    } else if let Some((notice, _)) = &state.notice {
        add(theme::WARN, notice.clone());
    } else if let (Phase::Live { relayed, .. }, Some(stats)) = (state.phase, &state.stats) {
        add(theme::DIM, numbers(stats, relayed || stats.relayed));
    }
    if !state.camera {
        add(theme::WARN, "camera off".to_owned());
    }
    if state.unread > 0 {
        add(theme::STRANGER, format!("{} unread, F3", state.unread));
    }
    spans
}

fn standing(state: &State) -> (Style, String) {
    match state.phase {
        Phase::Idle => (theme::DIM, "idle".to_owned()),
        Phase::Searching { .. } => (theme::ACCENT, "searching".to_owned()),
        Phase::Connecting { .. } => (theme::WARN, "connecting".to_owned()),
        Phase::Live { since, .. } => {
            (theme::GOOD, format!("live {}", clock(state.now.saturating_sub(since))))
        }
        Phase::Ended(_) => (theme::DIM, "ended".to_owned()),
    }
}

fn numbers(stats: &Stats, relayed: bool) -> String {
    let rtt = stats.rtt_ms.map_or(String::new(), |rtt| format!("  {rtt:.0} ms"));
    let path = if relayed { "relayed" } else { "direct" };
    format!("{:.0} fps  {:.0} kbit/s{rtt}  {path}", stats.fps_drawn, stats.kbps_in)
}

fn hints(room: usize) -> Line<'static> {
    let mut line = Line::default();
    for (key, what) in HINTS {
        let hint =
            [Span::styled(key, theme::ACCENT), Span::styled(format!(" {what}  "), theme::DIM)];
        if line.width() + hint.iter().map(Span::width).sum::<usize>() > room {
            break;
        }
        line.extend(hint);
    }
    line
}
