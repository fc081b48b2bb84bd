//! The cells that a picture lies on: which of them show it, which an overlay has, and which are blank.

use crate::{
    area::{Position, Rect},
    motion::control,
};

/// The knowledge of a cell of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// An overlay is drawn here.
    Covered,
    /// It may show anything.
    Unknown,
    /// It shows the terminal's own background.
    Blank,
    /// It shows what was drawn there last of the picture.
    Picture,
}

/// An area of the terminal with a picture in its middle.
pub(crate) struct Ground {
    area: Rect,
    /// The part of the area that shows the picture.
    picture: Rect,
    covered: Vec<Rect>,
    cells: Vec<Cell>,
    /// Whether nothing beside the picture is left to be made blank.
    is_blank: bool,
}

impl Default for Ground {
    fn default() -> Self {
        let nowhere = Rect::new(0, 0, 0, 0);
        Self {
            area: nowhere,
            picture: nowhere,
            covered: Vec::new(),
            cells: Vec::new(),
            is_blank: false,
        }
    }
}

impl Ground {
    /// Takes up where the area is and what of it is covered.
    pub(crate) fn place(&mut self, area: Rect, covered: &[Rect]) {
        if area != self.area {
            self.area = area;
            self.cells.clear();
            let count = usize::from(area.width) * usize::from(area.height);
            self.cells.resize(count, Cell::Unknown);
        } else if covered == self.covered {
            return;
        }
        self.covered = covered.to_vec();
        self.is_blank = false;
        for (cell, position) in self.cells.iter_mut().zip(area.positions()) {
            let is_covered = covered.iter().any(|overlay| overlay.contains(position));
            match (*cell, is_covered) {
                (_, true) => *cell = Cell::Covered,
                (Cell::Covered, false) => *cell = Cell::Unknown,
                (Cell::Unknown | Cell::Blank | Cell::Picture, false) => {}
            }
        }
    }

    /// Takes up how large the picture is, in cells.
    pub(crate) fn center(&mut self, columns: u16, rows: u16) {
        let (left, top) = ((self.area.width - columns) / 2, (self.area.height - rows) / 2);
        let picture = Rect::new(self.area.x + left, self.area.y + top, columns, rows);
        if std::mem::replace(&mut self.picture, picture) != picture {
            let shown = self.cells.iter_mut().filter(|cell| **cell == Cell::Picture);
            shown.for_each(|cell| *cell = Cell::Unknown);
            self.is_blank = false;
        }
    }

    /// Appends the terminal's own background for what is beside the picture.
    pub(crate) fn blank(&mut self, out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.is_blank, true) {
            return;
        }
        let mut next = None;
        for (cell, at) in self.cells.iter_mut().zip(self.area.positions()) {
            let is_done = matches!(cell, Cell::Covered | Cell::Blank);
            if is_done || self.picture.contains(at) {
                continue;
            }
            if next != Some(at) {
                control(&[u32::from(at.y) + 1, u32::from(at.x) + 1], b'H', out);
            }
            out.push(b' ');
            *cell = Cell::Blank;
            next = Some(Position { x: at.x + 1, y: at.y });
        }
    }

    /// Where the picture is.
    pub(crate) fn picture(&self) -> Rect {
        self.picture
    }

    /// Whether every cell of the picture that can be seen was drawn.
    pub(crate) fn is_drawn(&self) -> bool {
        let is_drawn =
            |(cell, at): (&Cell, _)| *cell != Cell::Unknown || !self.picture.contains(at);
        self.cells.iter().zip(self.area.positions()).all(is_drawn)
    }

    /// The cells from the picture's upper left on, and how many are in a row.
    pub(crate) fn cells_mut(&mut self) -> (&mut [Cell], usize) {
        let (left, top) = (self.picture.x - self.area.x, self.picture.y - self.area.y);
        let stride = usize::from(self.area.width);
        let first = usize::from(top) * stride + usize::from(left);
        (&mut self.cells[first..], stride)
    }

    /// The terminal may show anything.
    pub(crate) fn forget(&mut self) {
        let known = self.cells.iter_mut().filter(|cell| **cell != Cell::Covered);
        known.for_each(|cell| *cell = Cell::Unknown);
        self.is_blank = false;
    }
}
