//! The state as cells. Reads, and decides nothing.

mod chat;
mod help;
mod self_view;
mod stage;
mod status;
mod theme;

use ratatui::{
    buffer::{Buffer, CellDiffOption},
    layout::{Position, Rect},
    text::Line,
    widgets::{Paragraph, Widget, Wrap},
};

use super::{
    layout::MIN_SIZE,
    state::{Phase, State},
};

/// Where the pictures go, which are drawn past the cells, and what lies over them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Scene {
    /// Where the partner's picture is to be drawn, if at all.
    pub remote: Option<Rect>,
    /// Where one's own is.
    pub local: Option<Rect>,
    /// Over the partner's picture: one's own with its border.
    pub self_view: Option<Rect>,
    /// Over both.
    pub help: Option<Rect>,
    /// Where the next character will go.
    pub caret: Option<Position>,
}

/// Draws everything but the pictures on an empty `buf` of the state's size.
pub fn draw(state: &State, buf: &mut Buffer) -> Scene {
    let Some(layout) = &state.layout else {
        too_small(state, buf);
        return Scene::default();
    };
    let mut scene = Scene { self_view: layout.self_view, ..Scene::default() };
    stage::draw(state, layout.stage, buf);
    if state.shows_remote() {
        leave(layout.remote(), buf);
        scene.remote = Some(layout.remote());
    }
    if let Some(self_view) = layout.self_view {
        self_view::draw(state, self_view, buf);
    }
    if let Some(local) = layout.local().filter(|_| state.pictures.local && state.camera) {
        leave(local, buf);
        scene.local = Some(local);
    }
    scene.caret = chat::draw(state, layout, buf);
    status::draw(state, layout.status, buf);
    if state.show_help {
        scene.help = Some(help::draw(state, layout.stage, buf));
    }
    scene
}

/// Leaves the cells of `area` to a picture.
fn leave(area: Rect, buf: &mut Buffer) {
    for position in area.positions() {
        buf[position].set_diff_option(CellDiffOption::Skip);
    }
}

fn too_small(state: &State, buf: &mut Buffer) {
    let call = match state.phase {
        Phase::Connecting { .. } | Phase::Live { .. } => " The call goes on.",
        Phase::Idle | Phase::Searching { .. } | Phase::Ended(_) => "",
    };
    let text =
        format!("Meoww needs {} columns and {} rows.{call}", MIN_SIZE.width, MIN_SIZE.height);
    Paragraph::new(text).wrap(Wrap { trim: true }).render(buf.area, buf);
}

/// `area`, as far as it goes, in the middle of `within`.
fn centred(width: u16, height: u16, within: Rect) -> Rect {
    let (width, height) = (width.min(within.width), height.min(within.height));
    Rect {
        x: within.x + (within.width - width) / 2,
        y: within.y + (within.height - height) / 2,
        width,
        height,
    }
}

/// Lines in the middle of `area`, both ways.
fn centred_lines(lines: Vec<Line<'_>>, area: Rect, buf: &mut Buffer) {
    let place = centred(area.width, lines.len() as u16, area);
    Paragraph::new(lines).centered().render(place, buf);
}

/// Minutes and seconds.
fn clock(time: std::time::Duration) -> String {
    format!("{}:{:02}", time.as_secs() / 60, time.as_secs() % 60)
}

#[cfg(test)]
mod tests;
