//! Pictures made of a terminal's pixels.

use crate::{
    area::{CellShape, Rect, Size},
    frame::Frame,
    ground::{Cell, Ground},
    painter::Painter,
    quality::Quality,
    raster::{Channels, Raster},
    sample::PixelGrid,
    scale::Grid,
    stillness::SETTLED,
};

/// Below these qualities a terminal that scales is sent half and a quarter of the pixels each way.
const HALVED: u8 = 30;
const QUARTERED: u8 = 12;
/// It takes so much more to go back, so that not every other picture has another size.
const BACK: u8 = 8;

/// Draws pictures of pixels in one way, and remembers what the terminal has.
pub(crate) trait Plotter: Send {
    /// Whether the terminal scales pictures to the cells they are shown in.
    fn is_scaled(&self) -> bool;

    /// How many pixels a picture may have side by side.
    fn widest(&self) -> u16 {
        u16::MAX
    }

    /// How many columns and rows a picture may have.
    fn most_cells(&self) -> u16 {
        u16::MAX
    }

    /// Appends to `out` what makes the cells of the picture show it, except those that are covered.
    fn draw(&mut self, picture: &mut Picture<'_>, out: &mut Vec<u8>);

    /// See [`Painter::erase`].
    fn erase(&mut self, out: &mut Vec<u8>);

    /// See [`Painter::invalidate`].
    fn invalidate(&mut self);
}

/// A picture to be drawn.
pub(crate) struct Picture<'a> {
    /// The cells it is shown in.
    pub(crate) place: Rect,
    pub(crate) raster: &'a Raster,
    /// Pixels of a cell, side by side and over one another.
    pub(crate) across: usize,
    pub(crate) down: usize,
    pub(crate) quality: Quality,
    /// How often in a row it was the same.
    pub(crate) rest: u32,
    /// The cells of the area, from the picture's upper left on.
    pub(crate) cells: &'a mut [Cell],
    /// Cells in a row of the area.
    pub(crate) stride: usize,
}

impl Picture<'_> {
    /// Takes up that every cell that can be seen shows the picture.
    pub(crate) fn drawn(&mut self) {
        for y in 0..usize::from(self.place.height) {
            let row = &mut self.cells[y * self.stride..][..self.place.width.into()];
            let unknown = row.iter_mut().filter(|cell| **cell != Cell::Covered);
            unknown.for_each(|cell| *cell = Cell::Picture);
        }
    }
}

/// Lays out pictures for a [`Plotter`].
pub(crate) struct Pixels {
    plotter: Box<dyn Plotter>,
    /// Pixels of a cell.
    cell: (usize, usize),
    shape: CellShape,
    quality: Quality,
    /// Each pixel that is sent stands for so many, each way.
    divisor: usize,
    raster: Raster,
    last: Channels,
    rest: u32,
    ground: Ground,
}

impl Pixels {
    pub(crate) fn new(
        plotter: Box<dyn Plotter>,
        (width, height): (u16, u16),
        shape: CellShape,
        quality: Quality,
    ) -> Self {
        let cell = (usize::from(width), usize::from(height));
        let mut pixels = Self {
            plotter,
            cell,
            shape,
            quality,
            divisor: 1,
            raster: Raster::default(),
            last: Channels::default(),
            rest: 0,
            ground: Ground::default(),
        };
        pixels.set_quality(quality);
        pixels
    }

    fn pixel_grid(&self, cells: Size) -> PixelGrid {
        PixelGrid { cells, columns: self.cell.0, rows: self.cell.1, shape: self.shape }
    }

    /// How much of an area a picture may have.
    fn limit(&self, area: Size) -> Size {
        let most = self.plotter.most_cells();
        let widest = (usize::from(self.plotter.widest()) / self.cell.0).max(1);
        let widest = u16::try_from(widest).unwrap_or(u16::MAX);
        Size { width: area.width.min(most).min(widest), height: area.height.min(most) }
    }

    /// Pixels of a cell that are sent: a terminal that scales needs no more than there are.
    fn sent_pixels(&self, frame: &Frame, columns: usize, rows: usize) -> (usize, usize) {
        let (across, down) = self.cell;
        if !self.plotter.is_scaled() {
            return self.cell;
        }
        let part = |all: usize, pixels: usize, cells: usize, largest: u16| {
            let largest = (usize::from(largest) / cells).max(1);
            all.min(largest).div_ceil(self.divisor).min(pixels.div_ceil(cells))
        };
        let (width, height) = (Grid::FULL.width(), Grid::FULL.height());
        (part(across, frame.width(), columns, width), part(down, frame.height(), rows, height))
    }

    /// Takes up the picture in so many pixels, and whether it is the same as the last one.
    fn sample(&mut self, frame: &Frame, width: usize, height: usize) {
        std::mem::swap(&mut self.raster.channels, &mut self.last);
        let before = (self.raster.width, self.raster.height);
        self.raster.sample(frame, width, height);
        let is_same = before == (width, height) && self.raster.channels == self.last;
        self.rest = if is_same { self.rest.saturating_add(1) } else { 0 };
    }
}

/// [`Pixels::divisor`], by the number of a quality.
fn divisor(number: u8) -> usize {
    if number < QUARTERED {
        4
    } else if number < HALVED {
        2
    } else {
        1
    }
}

impl Painter for Pixels {
    fn grid(&self, cells: Size) -> Grid {
        let grid = self.pixel_grid(self.limit(cells)).square();
        if !self.plotter.is_scaled() {
            return grid;
        }
        let part = |side: u16| u32::from(side).div_ceil(self.divisor as u32);
        Grid::new(part(grid.width()), part(grid.height()))
    }

    fn set_quality(&mut self, quality: Quality) {
        self.quality = quality;
        let number = quality.number().unwrap_or(u8::MAX);
        let (least, most) = (divisor(number), divisor(number.saturating_sub(BACK)));
        self.divisor = self.divisor.clamp(least, most);
    }

    fn draw(&mut self, frame: &Frame, area: Rect, covered: &[Rect], out: &mut Vec<u8>) {
        self.ground.place(area, covered);
        if area.is_empty() {
            return;
        }
        let grid = self.pixel_grid(self.limit(area.size()));
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let (columns, rows) = (width / self.cell.0, height / self.cell.1);
        self.ground.center(columns as u16, rows as u16);
        self.ground.blank(out);
        let (across, down) = self.sent_pixels(frame, columns, rows);
        self.sample(frame, columns * across, rows * down);
        let place = self.ground.picture();
        let (cells, stride) = self.ground.cells_mut();
        let mut picture = Picture {
            place,
            raster: &self.raster,
            across,
            down,
            quality: self.quality,
            rest: self.rest,
            cells,
            stride,
        };
        self.plotter.draw(&mut picture, out);
    }

    fn is_settled(&self) -> bool {
        self.rest > SETTLED
    }

    fn erase(&mut self, out: &mut Vec<u8>) {
        self.plotter.erase(out);
        self.ground.forget();
    }

    fn invalidate(&mut self) {
        self.plotter.invalidate();
        self.ground.forget();
    }
}
