//! The picture on the screen as cells, and what it takes to make it the next one.

use std::marker::PhantomData;

use crate::{
    area::{CellShape, Rect, Size},
    frame::Frame,
    mode::Color,
    modes::Glyphs,
    painter::Painter,
    palette::Rgb,
    pen::Pen,
    sample::{PixelGrid, Sampler, Samples},
    scale::Grid,
};

/// Draws with the cells of `G`. It remembers what it has *drawn*, so small changes it left out
/// cannot add up.
pub(crate) struct Cells<G, const N: usize> {
    color: Color,
    shape: CellShape,
    sampler: Sampler,
    area: Rect,
    covered: Vec<Rect>,
    cells: Vec<Cell<N>>,
    glyphs: PhantomData<G>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell<const N: usize> {
    /// An overlay is drawn here.
    Covered,
    /// Nobody knows what the terminal shows.
    Unknown,
    Drawn(Shown<N>),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown<const N: usize> {
    /// The terminal's own background.
    Blank,
    Pixels([Rgb; N]),
}

impl<G: Glyphs<N>, const N: usize> Cells<G, N> {
    pub(crate) fn new(color: Color, shape: CellShape) -> Self {
        Self {
            color,
            shape,
            sampler: Sampler::default(),
            area: Rect::new(0, 0, 0, 0),
            covered: Vec::new(),
            cells: Vec::new(),
            glyphs: PhantomData,
        }
    }

    fn pixels(&self, cells: Size) -> PixelGrid {
        PixelGrid { cells, columns: G::COLUMNS, rows: G::ROWS, shape: self.shape }
    }

    fn lay_out(&mut self, area: Rect, covered: &[Rect]) {
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
                (Cell::Unknown | Cell::Drawn(_), false) => {}
            }
        }
    }
}

impl<G: Glyphs<N>, const N: usize> Painter for Cells<G, N> {
    fn grid(&self, cells: Size) -> Grid {
        self.pixels(cells).square()
    }

    fn draw(&mut self, frame: &Frame, area: Rect, covered: &[Rect], out: &mut Vec<u8>) {
        self.lay_out(area, covered);
        if area.is_empty() {
            return;
        }
        let grid = self.pixels(area.size());
        let (width, height) = grid.fit(frame.width(), frame.height(), frame.pixel());
        let (columns, rows) = (width / G::COLUMNS, height / G::ROWS);
        let picture = Picture {
            pixels: self.sampler.sample(frame, width, height),
            width,
            columns,
            rows,
            left: (usize::from(area.width) - columns) / 2,
            top: (usize::from(area.height) - rows) / 2,
        };
        let mut pen = Pen::new(self.color, out);
        for (y, row) in self.cells.chunks_exact_mut(usize::from(area.width)).enumerate() {
            for (x, cell) in row.iter_mut().enumerate() {
                let wanted = match *cell {
                    Cell::Covered => continue,
                    Cell::Unknown | Cell::Drawn(_) => picture.cell::<G, N>(x, y),
                };
                if let Cell::Drawn(shown) = *cell
                    && will_do::<G, N>(self.color, shown, wanted)
                {
                    continue;
                }
                pen.begin(area.x + x as u16, area.y + y as u16);
                *cell = Cell::Drawn(match wanted {
                    Shown::Blank => {
                        pen.blank();
                        Shown::Blank
                    }
                    Shown::Pixels(pixels) => Shown::Pixels(G::draw(&mut pen, pixels)),
                });
            }
        }
        pen.finish();
    }

    /// Whoever draws cells there erases it.
    fn erase(&mut self, _: &mut Vec<u8>) {
        self.invalidate();
    }

    fn invalidate(&mut self) {
        self.cells
            .iter_mut()
            .filter(|cell| **cell != Cell::Covered)
            .for_each(|cell| *cell = Cell::Unknown);
    }
}

fn will_do<G: Glyphs<N>, const N: usize>(color: Color, shown: Shown<N>, wanted: Shown<N>) -> bool {
    match (shown, wanted) {
        (Shown::Blank, Shown::Blank) => true,
        (Shown::Pixels(shown), Shown::Pixels(wanted)) => G::will_do(color, shown, wanted),
        (Shown::Blank, Shown::Pixels(_)) | (Shown::Pixels(_), Shown::Blank) => false,
    }
}

/// A sampled frame and where in the area it lies, in cells.
struct Picture<'a> {
    pixels: &'a Samples,
    /// In pixels.
    width: usize,
    columns: usize,
    rows: usize,
    left: usize,
    top: usize,
}

impl Picture<'_> {
    /// What the cell `x`, `y` of the area is to show.
    fn cell<G: Glyphs<N>, const N: usize>(&self, x: usize, y: usize) -> Shown<N> {
        let (Some(x), Some(y)) = (x.checked_sub(self.left), y.checked_sub(self.top)) else {
            return Shown::Blank;
        };
        if x >= self.columns || y >= self.rows {
            return Shown::Blank;
        }
        Shown::Pixels(std::array::from_fn(|i| {
            let column = x * G::COLUMNS + i % G::COLUMNS;
            self.pixels.at((y * G::ROWS + i / G::COLUMNS) * self.width + column)
        }))
    }
}
