//! One's own picture.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::Line,
    widgets::{Clear, Widget},
};

use super::{super::state::State, centred_lines, theme};

pub(super) fn draw(state: &State, area: Rect, buf: &mut Buffer) {
    Clear.render(area, buf);
    let title = match state.sound.is_muted() {
        true => Line::styled(" muted ", theme::WARN),
        false => Line::styled(" you ", theme::DIM),
    };
    let pane = theme::pane().title(title);
    let inside = pane.inner(area);
    pane.render(area, buf);
    meter(state, Rect { y: inside.bottom(), height: 1, ..inside }, buf);
    let words = match (state.camera, state.pictures.local) {
        (false, _) => "camera off",
        (true, false) => "no picture",
        (true, true) => return,
    };
    centred_lines(vec![Line::styled(words, theme::DIM)], inside, buf);
}

/// How loud the microphone is, along the lower border, as long as the partner hears it.
fn meter(state: &State, border: Rect, buf: &mut Buffer) {
    if state.sound.is_on() {
        let lit = usize::from(state.sound.meter(border.width));
        buf.set_string(border.x, border.y, "━".repeat(lit), theme::GOOD);
    }
}
