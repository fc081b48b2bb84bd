//! The picture on the screen, and what it takes to make it the next one.

use crate::{
    area::{Rect, Size},
    frame::Frame,
    mode::{Mode, Render},
    palette::Rgb,
    pen::{Pen, Shown},
    sample::{Sampler, fit},
    scale::Grid,
};

/// What an area of so many cells can show: one pixel a column, two a row. ASCII takes the mean of
/// the two, so that pixels are square in every mode.
pub fn grid_pixels(cells: Size) -> Grid {
    Grid::new(cells.width.into(), u32::from(cells.height) * 2)
}

/// Draws pictures into an area of the terminal, sending only what changed. It remembers what it has
/// *drawn*, so small changes it left out cannot add up.
pub struct Renderer {
    mode: Mode,
    sampler: Sampler,
    area: Rect,
    holes: Vec<Rect>,
    cells: Vec<Cell>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// Something else is drawn here.
    Covered,
    /// Nobody knows what the terminal shows.
    Unknown,
    Drawn(Shown),
}

impl Renderer {
    /// One that has drawn nothing yet.
    pub fn new(mode: Mode) -> Self {
        let (sampler, area) = (Sampler::default(), Rect::new(0, 0, 0, 0));
        Self { mode, sampler, area, holes: Vec::new(), cells: Vec::new() }
    }

    /// Forgets what was drawn: something else drew there, or the terminal was cleared.
    pub fn invalidate(&mut self) {
        self.cells
            .iter_mut()
            .filter(|cell| **cell != Cell::Covered)
            .for_each(|cell| *cell = Cell::Unknown);
    }

    /// Appends to `out` what makes `area` (in cells from the terminal's upper left) show `frame` in
    /// its own shape, centred. `holes` are left to others. Colours are the terminal's own before and
    /// after.
    pub fn draw(&mut self, frame: &Frame, area: Rect, holes: &[Rect], out: &mut Vec<u8>) {
        self.lay_out(area, holes);
        if area.is_empty() {
            return;
        }
        let (width, height) = fit(frame, area.size());
        let pixels = self.sampler.sample(frame, width, height);
        let picture = Picture {
            pixels,
            width,
            rows: height / 2,
            left: (usize::from(area.width) - width) / 2,
            top: (usize::from(area.height) - height / 2) / 2,
        };
        let mut pen = Pen::new(self.mode, out);
        for (y, row) in self.cells.chunks_exact_mut(usize::from(area.width)).enumerate() {
            for (x, cell) in row.iter_mut().enumerate() {
                if *cell == Cell::Covered {
                    continue;
                }
                let wanted = picture.cell(x, y, self.mode.render);
                if !matches!(*cell, Cell::Drawn(shown) if pen.will_do(shown, wanted)) {
                    *cell = Cell::Drawn(pen.draw(area.x + x as u16, area.y + y as u16, wanted));
                }
            }
        }
        pen.finish();
    }

    fn lay_out(&mut self, area: Rect, holes: &[Rect]) {
        if area != self.area {
            self.area = area;
            self.cells.clear();
            let count = usize::from(area.width) * usize::from(area.height);
            self.cells.resize(count, Cell::Unknown);
        } else if holes == self.holes {
            return;
        }
        self.holes = holes.to_vec();
        for (cell, position) in self.cells.iter_mut().zip(area.positions()) {
            let covered = holes.iter().any(|hole| hole.contains(position));
            match (*cell, covered) {
                (_, true) => *cell = Cell::Covered,
                (Cell::Covered, false) => *cell = Cell::Unknown,
                (Cell::Unknown | Cell::Drawn(_), false) => {}
            }
        }
    }
}

/// A sampled frame and where in the area it lies, in cells.
struct Picture<'a> {
    pixels: &'a [Rgb],
    width: usize,
    rows: usize,
    left: usize,
    top: usize,
}

impl Picture<'_> {
    /// What the cell `x`, `y` of the area is to show.
    fn cell(&self, x: usize, y: usize, render: Render) -> Shown {
        let (Some(x), Some(y)) = (x.checked_sub(self.left), y.checked_sub(self.top)) else {
            return Shown::Blank;
        };
        if x >= self.width || y >= self.rows {
            return Shown::Blank;
        }
        let top = self.pixels[2 * y * self.width + x];
        let bottom = self.pixels[(2 * y + 1) * self.width + x];
        match render {
            Render::HalfBlock => Shown::Pixels(top, bottom),
            Render::Ascii => {
                let mean = std::array::from_fn(|i| top[i].midpoint(bottom[i]));
                Shown::Pixels(mean, mean)
            }
        }
    }
}
