//! Cells and pictures to the bytes of one update of the terminal.

use std::io;

use crossterm::{
    cursor::MoveTo,
    terminal::{Clear, ClearType},
};
use meoww_paint::{Color, Frame, Grid, Look, Mode, Painter, Quality, Size};
use ratatui::{
    backend::{Backend, CrosstermBackend},
    buffer::{Buffer, Cell},
    layout::Rect,
    style,
};

use super::{
    state::State,
    view::{self, Scene},
};
use crate::terminal::{caps::Caps, update::ansi};

/// What the terminal shows, and what it takes to make it show the state.
pub(super) struct Canvas {
    caps: Caps,
    /// As the terminal has it; of the pictures, only where they are.
    shown: Buffer,
    scene: Scene,
    remote: Box<dyn Painter>,
    local: Box<dyn Painter>,
    fresh: bool,
    /// The bytes that take earlier pictures off the screen.
    erasing: Vec<u8>,
}

impl Canvas {
    pub(super) fn new(caps: Caps, mode: Mode) -> Self {
        // A mirror is for one's own picture.
        let theirs = Mode { look: Look { is_mirrored: false, ..mode.look }, ..mode };
        let [remote, local] = [theirs, mode].map(|mode| mode.painter(caps.traits()));
        let (shown, scene) = (Buffer::empty(Rect::ZERO), Scene::default());
        Self { caps, shown, scene, remote, local, fresh: true, erasing: Vec::new() }
    }

    /// Draws for a terminal of which something else is known, or in another way.
    pub(super) fn follow(&mut self, caps: Caps, mode: Mode) {
        let mut erasing = std::mem::take(&mut self.erasing);
        self.remote.erase(&mut erasing);
        self.local.erase(&mut erasing);
        *self = Self { erasing, ..Self::new(caps, mode) };
    }

    /// How many pixels of a picture an area of this size can show.
    pub(super) fn grid(&self, area: Rect) -> Grid {
        self.remote.grid(Size { width: area.width, height: area.height })
    }

    /// Sets how much is spent on pictures from now on.
    pub(super) fn set_quality(&mut self, quality: Quality) {
        self.remote.set_quality(quality);
        self.local.set_quality(quality);
    }

    /// Assumes nothing of what the terminal shows.
    pub(super) fn invalidate(&mut self) {
        self.fresh = true;
        self.remote.invalidate();
        self.local.invalidate();
    }

    /// Appends to `out` what makes the terminal show `state`.
    pub(super) fn draw_state(&mut self, state: &State, out: &mut Vec<u8>) -> io::Result<()> {
        let (scene, next) = compose(state);
        self.show(scene, next, out)
    }

    /// Likewise while a picture is being drawn, unless that has to be whole first: `state` has it
    /// elsewhere, or all is to be drawn anew. Returns whether it was done.
    pub(super) fn draw_beside(&mut self, state: &State, out: &mut Vec<u8>) -> io::Result<bool> {
        let (scene, next) = compose(state);
        let is_beside = !self.fresh && Scene { caret: self.scene.caret, ..scene } == self.scene;
        if is_beside {
            self.show(scene, next, out)?;
        }
        Ok(is_beside)
    }

    fn show(&mut self, scene: Scene, mut next: Buffer, out: &mut Vec<u8>) -> io::Result<()> {
        self.scene = scene;
        out.append(&mut self.erasing);
        if self.scene.remote.is_none() {
            self.remote.erase(out);
        }
        if self.scene.local.is_none() {
            self.local.erase(out);
        }
        next.content.iter_mut().for_each(|cell| degrade(cell, self.caps));
        if std::mem::take(&mut self.fresh) {
            ansi(Clear(ClearType::All), out);
            self.shown = Buffer::empty(next.area);
        }
        if self.shown.diff_iter(&next).next().is_some() {
            CrosstermBackend::new(&mut *out).draw(self.shown.diff_iter(&next))?;
        }
        self.shown = next;
        Ok(())
    }

    /// Appends to `out` what makes the terminal show the pictures where the state last drawn has
    /// room for them. Returns whether the partner's was one of them.
    pub(super) fn draw_pictures(
        &mut self,
        remote: Option<&Frame>,
        local: Option<&Frame>,
        out: &mut Vec<u8>,
    ) -> bool {
        let Scene { self_view, help, .. } = self.scene;
        let holes: Vec<_> = self_view.into_iter().chain(help).map(cells).collect();
        let help = help.map(cells);
        if let (Some(area), Some(frame)) = (self.scene.local, local) {
            self.local.draw(frame, cells(area), help.as_slice(), out);
        }
        if let (Some(area), Some(frame)) = (self.scene.remote, remote) {
            self.remote.draw(frame, cells(area), &holes, out);
            return true;
        }
        false
    }

    /// Ends `out` with the cursor where one types: it is hidden, but input methods open there.
    pub(super) fn finish(&self, out: &mut Vec<u8>) {
        if out.is_empty() {
            return;
        }
        if let Some(caret) = self.scene.caret {
            ansi(MoveTo(caret.x, caret.y), out);
        }
    }
}

/// The state as cells, and where the pictures go.
fn compose(state: &State) -> (Scene, Buffer) {
    let mut cells = Buffer::empty(Rect::from((ratatui::layout::Position::ORIGIN, state.size)));
    (view::draw(state, &mut cells), cells)
}

/// Where ratatui lays out an area, for the painter.
fn cells(area: Rect) -> meoww_paint::Rect {
    meoww_paint::Rect::new(area.x, area.y, area.width, area.height)
}

/// Makes do with what the terminal can show.
fn degrade(cell: &mut Cell, caps: Caps) {
    if caps.color == Color::Mono {
        (cell.fg, cell.bg) = (style::Color::Reset, style::Color::Reset);
    }
    if caps.unicode || cell.symbol().is_ascii() {
        return;
    }
    let plain = match cell.symbol() {
        "─" => "-",
        "│" => "|",
        "╭" | "╮" | "╰" | "╯" | "├" | "┤" => "+",
        "●" => "*",
        "›" => ">",
        _ => "?",
    };
    cell.set_symbol(plain);
}

#[cfg(test)]
#[path = "canvas_tests.rs"]
mod tests;
