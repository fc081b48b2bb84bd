//! What was said, and the line one types into.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::{Modifier, Style},
    text::{Line, Span},
    widgets::{Paragraph, Widget},
};

use super::{
    super::{
        chat::{ChatLine, Who},
        layout::Layout,
        state::State,
    },
    theme,
};

/// Returns where the next character goes.
pub(super) fn draw(state: &State, layout: &Layout, buf: &mut Buffer) -> Option<Position> {
    let (area, log, input) = (layout.chat?, layout.chat_log()?, layout.chat_input()?);
    let (lines, below) = state.chat.visible();
    let mut pane = theme::pane().title(Line::styled(" chat ", theme::ACCENT));
    if below > 0 {
        let more = format!(" {below} more, PgDn ");
        pane = pane.title(Line::styled(more, theme::WARN).right_aligned());
    }
    pane.render(area, buf);
    let lines: Vec<Line<'_>> = lines.map(line).collect();
    // The newest words stand right above the line one types into.
    let height = (lines.len() as u16).min(log.height);
    Paragraph::new(lines).render(Rect { y: log.bottom() - height, height, ..log }, buf);
    if let Some(rule) = layout.chat_rule() {
        let line = format!("├{}┤", "─".repeat(usize::from(rule.width) - 2));
        buf.set_string(rule.x, rule.y, line, theme::BORDER);
    }
    Some(type_line(state, input, buf))
}

fn line(line: &ChatLine) -> Line<'_> {
    let (name, words) = match line.who {
        Who::You => (theme::ACCENT, Style::new()),
        Who::Stranger => (theme::STRANGER, Style::new()),
        Who::Meoww => (theme::DIM, theme::DIM.add_modifier(Modifier::ITALIC)),
    };
    Line::from(vec![Span::styled(line.prefix, name), Span::styled(line.text.as_str(), words)])
}

fn type_line(state: &State, area: Rect, buf: &mut Buffer) -> Position {
    let (mark, style, hint, editor) = match &state.report {
        Some(reason) => ("! ", theme::WARN, "Why report them? Esc: no", reason),
        None => ("› ", theme::ACCENT, "Say something", &state.input),
    };
    buf.set_string(area.x, area.y, mark, style);
    let area = Rect { x: area.x + 2, width: area.width - 2, ..area };
    let (text, column) = editor.visible(area.width.into());
    if editor.text().is_empty() {
        buf.set_stringn(area.x, area.y, hint, area.width.into(), theme::DIM);
    } else {
        buf.set_stringn(area.x, area.y, text, area.width.into(), Style::new());
    }
    let caret = Position::new(area.x + column as u16, area.y);
    buf[caret].modifier.insert(Modifier::REVERSED);
    caret
}
