//! Pictures made of cells: where they are, what of them is covered, and what is left blank.

use crate::{
    area::{CellShape, Position, Rect, Size},
    frame::Frame,
    layout::{Layout, Planes},
    motion::control,
    painter::Painter,
    quality::Quality,
    sample::{PixelGrid, Sampler},
    scale::Grid,
    stillness::Stillness,
};

/// What is known of a cell of the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cell {
    /// An overlay is drawn here.
    Covered,
    /// It may show anything.
    Unknown,
    /// It shows the terminal's own background.
    Blank,
    /// It shows what the artist drew there last.
    Picture,
}

/// Draws the cells of a picture in one way, and remembers what it has *drawn*: small changes it leaves
/// out cannot add up.
pub(crate) trait Artist: Send {
    /// Appends to `out` what makes the cells of the picture show it, except those that are covered,
    /// and says which it has drawn. Colours are the terminal's own before and after.
    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>);
}

/// A picture to be drawn. Its cells are counted row by row.
pub(crate) struct Scene<'a> {
    pub(crate) layout: Layout,
    /// Where its upper left cell is on the screen.
    pub(crate) origin: Position,
    pub(crate) wanted: &'a Planes,
    /// How much an error of each cell counts.
    pub(crate) weights: &'a [f32],
    /// The error that a byte is worth.
    pub(crate) price: f32,
    /// The cells of the area, from the picture's upper left on.
    cells: &'a mut [Cell],
    /// Cells in a row of the area.
    stride: usize,
}

impl Scene<'_> {
    pub(crate) fn cell(&self, cell: usize) -> Cell {
        self.cells[self.at(cell)]
    }

    pub(crate) fn set(&mut self, cell: usize, to: Cell) {
        let at = self.at(cell);
        self.cells[at] = to;
    }

    fn at(&self, cell: usize) -> usize {
        cell / self.layout.columns * self.stride + cell % self.layout.columns
    }
}

/// Lays out pictures for an [`Artist`].
pub(crate) struct Cells {
    artist: Box<dyn Artist>,
    /// Pixels of a cell, side by side and over one another.
    pixels: (usize, usize),
    shape: CellShape,
    quality: Quality,
    sampler: Sampler,
    stillness: Stillness,
    area: Rect,
    /// The part of the area that shows the picture.
    picture: Rect,
    covered: Vec<Rect>,
    cells: Vec<Cell>,
}

impl Cells {
    pub(crate) fn new(
        artist: Box<dyn Artist>,
        pixels: (usize, usize),
        shape: CellShape,
        quality: Quality,
    ) -> Self {
        Self {
            artist,
            pixels,
            shape,
            quality,
            sampler: Sampler::default(),
            stillness: Stillness::default(),
            area: Rect::new(0, 0, 0, 0),
            picture: Rect::new(0, 0, 0, 0),
            covered: Vec::new(),
            cells: Vec::new(),
        }
    }

    fn pixel_grid(&self, cells: Size) -> PixelGrid {
        let (columns, rows) = self.pixels;
        PixelGrid { cells, columns, rows, shape: self.shape }
    }

    /// Takes up where the area is and what of it is covered.
    fn place(&mut self, area: Rect, covered: &[Rect]) {
        if area != self.area {
            self.area = area;
            self.cells.clear();
            let count = usize::from(area.width) * usize::from(area.height);
            self.cells.resize(count, Cell::Unknown);
        } else if covered == self.covered {
            return;
        }
        self.covered = covered.to_vec();
        for (cell, position) in self.cells.iter_mut().zip(area.positions()) {
            let is_covered = covered.iter().any(|overlay| overlay.contains(position));
            match (*cell, is_covered) {
                (_, true) => *cell = Cell::Covered,
                (Cell::Covered, false) => *cell = Cell::Unknown,
                (Cell::Unknown | Cell::Blank | Cell::Picture, false) => {}
            }
        }
    }

    /// Takes up which part of the area is the picture.
    fn center(&mut self, columns: u16, rows: u16) {
        let (left, top) = ((self.area.width - columns) / 2, (self.area.height - rows) / 2);
        let picture = Rect::new(self.area.x + left, self.area.y + top, columns, rows);
        if std::mem::replace(&mut self.picture, picture) != picture {
            let shown = self.cells.iter_mut().filter(|cell| **cell == Cell::Picture);
            shown.for_each(|cell| *cell = Cell::Unknown);
        }
    }

    /// Appends the terminal's own background for what is beside the picture.
    fn blank(&mut self, out: &mut Vec<u8>) {
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
}

impl Painter for Cells {
    fn grid(&self, cells: Size) -> Grid {
        self.pixel_grid(cells).square()
    }

    fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
    }

    fn draw(&mut self, frame: &Frame, area: Rect, covered: &[Rect], out: &mut Vec<u8>) {
        self.place(area, covered);
        if area.is_empty() {
            return;
        }
        let grid = self.pixel_grid(area.size());
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let (across, down) = self.pixels;
        let layout = Layout { columns: width / across, rows: height / down, across, down };
        self.center(layout.columns as u16, layout.rows as u16);
        self.blank(out);
        let wanted = self.sampler.sample(frame, width, height);
        self.stillness.update(layout, wanted);
        let is_drawn =
            |(cell, at): (&Cell, _)| *cell != Cell::Unknown || !self.picture.contains(at);
        if self.stillness.is_settled() && self.cells.iter().zip(area.positions()).all(is_drawn) {
            return;
        }
        let (left, top) = (self.picture.x - area.x, self.picture.y - area.y);
        let stride = usize::from(area.width);
        let first = usize::from(top) * stride + usize::from(left);
        // Of half blocks: where a cell has more pixels, more errors add up, and are as little seen.
        let usual = self.quality.price() * (across * down) as f32 / 2.0;
        let price = (usual * self.stillness.discount()).max(Quality::MAX.price());
        let mut scene = Scene {
            layout,
            origin: Position { x: self.picture.x, y: self.picture.y },
            wanted,
            weights: self.stillness.weights(),
            price,
            cells: &mut self.cells[first..],
            stride,
        };
        self.artist.draw(&mut scene, out);
    }

    /// Cells that are drawn over it erase it.
    fn erase(&mut self, _: &mut Vec<u8>) {
        self.invalidate();
    }

    fn invalidate(&mut self) {
        let known = self.cells.iter_mut().filter(|cell| **cell != Cell::Covered);
        known.for_each(|cell| *cell = Cell::Unknown);
    }
}
