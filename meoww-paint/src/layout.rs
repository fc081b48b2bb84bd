//! Which pixels of a picture belong to which cell.

use crate::{motion::Place, simd::wide, split::Pixels};

/// Red, green and blue of a picture, row by row; or how bright it is, and twice nothing.
pub(crate) type Planes = [Vec<u8>; 3];

/// A picture in whole cells.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Cells in a row.
    pub(crate) columns: usize,
    /// Rows of cells.
    pub(crate) rows: usize,
    /// Pixels of a cell, side by side: one or two.
    pub(crate) across: usize,
    /// Pixels of a cell, over one another.
    pub(crate) down: usize,
}

impl Layout {
    /// How many cells there are.
    pub(crate) fn cells(self) -> usize {
        self.columns * self.rows
    }

    /// How many pixels there are.
    pub(crate) fn pixels(self) -> usize {
        self.cells() * self.across * self.down
    }

    /// Pixels in a row.
    pub(crate) fn width(self) -> usize {
        self.columns * self.across
    }

    /// The column and row of a cell's pixel, of which the first is in its upper left.
    #[inline(always)]
    pub(crate) fn pixel(self, cell: Place, pixel: usize) -> (usize, usize) {
        // No division: every pixel of every picture comes by here.
        let (across, down) = if self.across == 1 { (0, pixel) } else { (pixel & 1, pixel >> 1) };
        (cell.x as usize * self.across + across, cell.y as usize * self.down + down)
    }

    /// The place in a plane of a cell's pixel.
    #[inline(always)]
    pub(crate) fn at(self, cell: Place, pixel: usize) -> usize {
        let (x, y) = self.pixel(cell, pixel);
        y * self.width() + x
    }

    /// Where the cells are, row by row.
    pub(crate) fn places(self) -> impl Iterator<Item = Place> {
        let row = move |y| (0..self.columns as u32).map(move |x| Place { x, y });
        (0..self.rows as u32).flat_map(row)
    }

    /// The pixels of a cell.
    #[inline(always)]
    pub(crate) fn gather<const N: usize>(self, planes: &Planes, at: Place) -> Pixels<N> {
        let mut pixels = [[0.0; N]; 3];
        for (values, plane) in pixels.iter_mut().zip(planes) {
            for (pixel, value) in values.iter_mut().enumerate() {
                *value = f32::from(plane[self.at(at, pixel)]);
            }
        }
        pixels
    }

    /// Sets each of `cells` to the sum of the squared differences of two pictures in it.
    pub(crate) fn differences(
        self,
        a: &Planes,
        b: &Planes,
        row: &mut Vec<i32>,
        cells: &mut Vec<f32>,
    ) {
        cells.clear();
        wide!(self.add_differences(a, b, row, cells));
    }

    #[inline(always)]
    fn add_differences(self, a: &Planes, b: &Planes, row: &mut Vec<i32>, cells: &mut Vec<f32>) {
        let width = self.width();
        for y in 0..self.rows {
            row.clear();
            row.resize(width, 0);
            for down in 0..self.down {
                let at = (y * self.down + down) * width;
                for (a, b) in a.iter().zip(b).filter(|(a, _)| !a.is_empty()) {
                    let pixels = a[at..][..width].iter().zip(&b[at..][..width]);
                    row.iter_mut().zip(pixels).for_each(|(sum, (a, b))| {
                        let difference = u16::from(a.abs_diff(*b));
                        *sum += i32::from(difference * difference);
                    });
                }
            }
            match self.across {
                1 => cells.extend(row.iter().map(|sum| *sum as f32)),
                _ => cells.extend(row.as_chunks::<2>().0.iter().map(|[a, b]| (a + b) as f32)),
            }
        }
    }
}
