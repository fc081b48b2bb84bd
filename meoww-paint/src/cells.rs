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

/// Below this quality the picture is too coarse for sharp colours, and so much above it they are asked
/// for again.
const COARSE: u8 = 40;
const BACK: u8 = 10;

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

    /// The cells of a row of the picture.
    pub(crate) fn row(&self, y: usize) -> &[Cell] {
        &self.cells[y * self.stride..][..self.layout.columns]
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
    /// Whether as many samples of chroma as there are cells would not be seen.
    is_coarse: bool,
    sampler: Sampler,
    wanted: Planes,
    /// The picture before it.
    last: Planes,
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
        let mut cells = Self {
            artist,
            pixels,
            shape,
            quality,
            is_coarse: false,
            sampler: Sampler::default(),
            wanted: Planes::default(),
            last: Planes::default(),
            stillness: Stillness::default(),
            ground: Ground::default(),
        };
        cells.set_quality(quality);
        cells
    }

    fn pixel_grid(&self, cells: Size) -> PixelGrid {
        let (columns, rows) = self.pixels;
        PixelGrid { cells, columns, rows, shape: self.shape }
    }
}

impl Painter for Cells {
    fn grid(&self, cells: Size) -> Grid {
        let grid = self.pixel_grid(cells).square();
        if self.artist.sees_colors() && !self.is_coarse { grid.doubled() } else { grid }
    }

    fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        let number = quality.number().unwrap_or(u8::MAX);
        // Not another size for every other picture.
        self.is_coarse = number < if self.is_coarse { COARSE + BACK } else { COARSE };
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
        std::mem::swap(&mut self.wanted, &mut self.last);
        if self.artist.sees_colors() {
            self.sampler.sample(frame, width, height, &mut self.wanted);
        } else {
            self.sampler.sample_brightness(frame, width, height, &mut self.wanted);
        }
        self.stillness.update(layout, &self.last, &self.wanted, self.quality.price());
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
            wanted: &self.wanted,
            weights: self.stillness.weights(),
            price,
            cells,
            stride,
        };
        self.artist.draw(&mut scene, out);
    }

    fn is_settled(&self) -> bool {
        self.stillness.is_settled()
    }

    /// Cells that are drawn over it erase it.
    fn erase(&mut self, _: &mut Vec<u8>) {
        self.invalidate();
    }

    fn invalidate(&mut self) {
        self.ground.forget();
    }
}
