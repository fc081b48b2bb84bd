//! The keys, over everything else.

use ratatui::{
    buffer::Buffer,
    layout::Rect,
    text::{Line, Span},
    widgets::{Clear, Padding, Paragraph, Widget},
};

use super::{
    super::{keymap::HELP, state::State},
    centred, theme,
};

/// The fingerprints of the keys come by the server, which could put its own in their place.
const ABOUT_ENCRYPTION: [&str; 3] = [
    "Read the four words below the picture to",
    "each other: if equal, nobody else sees or",
    "hears you. Chat always passes the server.",
];

/// Returns what it covers.
pub(super) fn draw(state: &State, over: Rect, buf: &mut Buffer) -> Rect {
    let keys = HELP.iter().map(|(key, what)| {
        Line::from(vec![Span::styled(format!("{key:<11}"), theme::ACCENT), Span::raw(*what)])
    });
    let mut lines: Vec<Line<'_>> = keys.collect();
    let mut height = lines.len() as u16 + 2;
    let about = 1 + ABOUT_ENCRYPTION.len() as u16;
    if height + about <= over.height {
        lines.push(Line::default());
        lines.extend(ABOUT_ENCRYPTION.map(|line| Line::styled(line, theme::DIM)));
        height += about;
    }
    let area = centred(46, height, Rect { height: state.size.height - 1, ..over });
    Clear.render(area, buf);
    let pane = theme::pane()
        .border_style(theme::ACCENT)
        .title(Line::styled(" help ", theme::ACCENT.patch(theme::BOLD)))
        .padding(Padding::horizontal(1));
    let inside = pane.inner(area);
    pane.render(area, buf);
    Paragraph::new(lines).render(inside, buf);
    area
}
