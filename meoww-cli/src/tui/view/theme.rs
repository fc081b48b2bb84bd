//! Our colours, of the 256 that nearly every terminal has.

use ratatui::{
    style::{Color, Modifier, Style},
    widgets::{Block, BorderType},
};

/// Meoww's own: a cat's nose.
pub(super) const ACCENT: Style = Style::new().fg(Color::Indexed(211));
/// Lines around things.
pub(super) const BORDER: Style = Style::new().fg(Color::Indexed(239));
/// What need not be read.
pub(super) const DIM: Style = Style::new().fg(Color::Indexed(245));
/// All is well.
pub(super) const GOOD: Style = Style::new().fg(Color::Indexed(114));
/// Not all is well.
pub(super) const WARN: Style = Style::new().fg(Color::Indexed(221));
/// The partner's words.
pub(super) const STRANGER: Style = Style::new().fg(Color::Indexed(117));
/// What stands out.
pub(super) const BOLD: Style = Style::new().add_modifier(Modifier::BOLD);

/// A pane.
pub(super) fn pane<'a>() -> Block<'a> {
    Block::bordered().border_type(BorderType::Rounded).border_style(BORDER)
}
