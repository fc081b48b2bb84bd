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
    let pane = theme::pane().title(Line::styled(" you ", theme::DIM));
    let inside = pane.inner(area);
    pane.render(area, buf);
    let words = match (state.camera, state.pictures.local) {
        (false, _) => "camera off",
        (true, false) => "no picture",
        (true, true) => return,
    };
    centred_lines(vec![Line::styled(words, theme::DIM)], inside, buf);
}
