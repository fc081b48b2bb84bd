//! Pictures made of cells.

use crate::{
    area::{CellShape, Position, Rect, Size},
    frame::Frame,
    ground::{Cell, Ground},
    layout::{Layout, Planes},
    motion::Place,
    painter::Painter,
    quality::Quality,
    sample::{PixelGrid, Sampler},
    scale::Grid,
    stillness::Stillness,
};

/// Draws the cells of a picture in one way, and remembers what it has *drawn*: small changes it leaves
/// out cannot add up.
pub(crate) trait Artist: Send {
    /// Whether it has to do with more than brightness.
    fn sees_colors(&self) -> bool {
        true
    }

    /// Appends to `out` what makes the cells of the picture show it, except those that are covered,
    /// and says which it has drawn. Colours are the terminal's own before and after.
    fn draw(&mut self, scene: &mut Scene<'_>, out: &mut Vec<u8>);
}

/// A picture to be drawn.
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
    pub(crate) fn cell(&self, at: Place) -> Cell {
        self.cells[at.y as usize * self.stride + at.x as usize]
    }

    pub(crate) fn set(&mut self, at: Place, to: Cell) {
        self.cells[at.y as usize * self.stride + at.x as usize] = to;
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
    ground: Ground,
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
            ground: Ground::default(),
        }
    }

    fn pixel_grid(&self, cells: Size) -> PixelGrid {
        let (columns, rows) = self.pixels;
        PixelGrid { cells, columns, rows, shape: self.shape }
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
        self.ground.place(area, covered);
        if area.is_empty() {
            return;
        }
        let grid = self.pixel_grid(area.size());
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let (across, down) = self.pixels;
        let layout = Layout { columns: width / across, rows: height / down, across, down };
        self.ground.center(layout.columns as u16, layout.rows as u16);
        self.ground.blank(out);
        let wanted = if self.artist.sees_colors() {
            self.sampler.sample(frame, width, height)
        } else {
            self.sampler.sample_brightness(frame, width, height)
        };
        self.stillness.update(layout, wanted);
        if self.stillness.is_settled() && self.ground.is_drawn() {
            return;
        }
        // Of half blocks: where a cell has more pixels, more errors add up, and are as little seen.
        let usual = self.quality.price() * (across * down) as f32 / 2.0;
        let price = (usual * self.stillness.discount()).max(Quality::MAX.price());
        let picture = self.ground.picture();
        let (cells, stride) = self.ground.cells_mut();
        let mut scene = Scene {
            layout,
            origin: Position { x: picture.x, y: picture.y },
            wanted,
            weights: self.stillness.weights(),
            price,
            cells,
            stride,
        };
        self.artist.draw(&mut scene, out);
    }

    /// Cells that are drawn over it erase it.
    fn erase(&mut self, _: &mut Vec<u8>) {
        self.invalidate();
    }

    fn invalidate(&mut self) {
        self.ground.forget();
    }
}
