//! A frame brought to the size it is drawn at, as RGB.

use fast_image_resize::{
    FilterType, ResizeAlg, ResizeOptions, Resizer,
    images::{TypedImage, TypedImageRef},
    pixels::U8,
};

use crate::{
    area::{CellShape, Size},
    convert::to_rgb,
    frame::Frame,
    palette::Rgb,
    scale::Grid,
};

/// The pixels of an area of cells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PixelGrid {
    pub(crate) cells: Size,
    /// Pixels of a cell, side by side.
    pub(crate) columns: usize,
    /// Pixels of a cell, over one another.
    pub(crate) rows: usize,
    pub(crate) shape: CellShape,
}

impl PixelGrid {
    fn size(self) -> (usize, usize) {
        let (width, height) = (usize::from(self.cells.width), usize::from(self.cells.height));
        (width * self.columns, height * self.rows)
    }

    /// Width and height of a pixel, in one unit.
    fn pixel(self) -> (usize, usize) {
        let (width, height) = (usize::from(self.shape.width()), usize::from(self.shape.height()));
        (width * self.rows, height * self.columns)
    }

    /// The smallest grid of square pixels, none of them larger than a pixel of this one.
    pub(crate) fn square(self) -> Grid {
        let ((width, height), (w, h)) = (self.size(), self.pixel());
        let (width, height) = if w < h {
            (width, (height * h).div_ceil(w))
        } else {
            ((width * w).div_ceil(h), height)
        };
        Grid::new(width as u32, height as u32)
    }

    /// The largest size in pixels that shows a frame of `width` x `height` in its own shape, in whole
    /// rows of cells. A frame that already fills the grid one way stays as it is.
    pub(crate) fn fit(self, width: usize, height: usize) -> (usize, usize) {
        let ((max_width, max_height), (w, h)) = (self.size(), self.pixel());
        // The sender rounds to even sizes: stretching by one pixel would only blur.
        let fills = width <= max_width
            && height <= max_height
            && (max_width - width < 2 || max_height - height < 2);
        if w == h && fills && height.is_multiple_of(self.rows) {
            return (width, height);
        }
        // Either side times the other's shape, so that nothing is rounded before the end.
        let (grid_shape, frame_shape) = (max_width * w * height, max_height * h * width);
        if grid_shape <= frame_shape {
            (max_width, round(grid_shape, h * width * self.rows).max(1) * self.rows)
        } else {
            (round(frame_shape, w * height).max(1), max_height)
        }
    }
}

/// The nearest whole number to the quotient.
fn round(dividend: usize, divisor: usize) -> usize {
    (2 * dividend + divisor) / (2 * divisor)
}

/// Scales and converts, in buffers it keeps.
#[derive(Default)]
pub(crate) struct Sampler {
    resizer: Resizer,
    planes: [Vec<u8>; 3],
    rgb: Vec<Rgb>,
}

impl Sampler {
    /// The frame in `width` x `height` pixels, row by row. The height is even, neither is zero.
    pub(crate) fn sample(&mut self, frame: &Frame, width: usize, height: usize) -> &[Rgb] {
        self.rgb.resize(width * height, [0; 3]);
        if (width, height) == (frame.width(), frame.height()) {
            to_rgb(frame.planes(), width, &mut self.rgb);
        } else {
            self.scale(frame, width, height);
            to_rgb(self.planes.each_ref().map(Vec::as_slice), width, &mut self.rgb);
        }
        &self.rgb
    }

    fn scale(&mut self, frame: &Frame, width: usize, height: usize) {
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        for (i, (from, to)) in frame.planes().into_iter().zip(&mut self.planes).enumerate() {
            let half = |size: usize| if i == 0 { size } else { size.div_ceil(2) } as u32;
            to.resize((half(width) * half(height)) as usize, 0);
            let from =
                TypedImageRef::<U8>::from_buffer(half(frame.width()), half(frame.height()), from)
                    .expect("a frame's planes have the frame's size");
            let mut to = TypedImage::<U8>::from_buffer(half(width), half(height), to)
                .expect("the plane was just sized");
            self.resizer
                .resize_typed(&from, &mut to, &options)
                .expect("without a crop box there is none to be wrong");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn half_blocks(cells: (u16, u16), shape: CellShape) -> PixelGrid {
        let cells = Size { width: cells.0, height: cells.1 };
        PixelGrid { cells, columns: 1, rows: 2, shape }
    }

    fn fitted(frame: (usize, usize), cells: (u16, u16)) -> (usize, usize) {
        half_blocks(cells, CellShape::USUAL).fit(frame.0, frame.1)
    }

    #[test]
    fn cells_of_another_shape_show_the_same_shape() {
        // 4:3 in 100 x 100 cells of 10 x 16 pixels, 1000 pixels wide: 750 high, 46.9 cells.
        let wide = half_blocks((100, 100), CellShape::new(10, 16).unwrap());
        assert_eq!(wide.fit(640, 480), (100, 94));
        // In 100 x 20 of them it is 320 high, so 426.7 wide: 43 cells.
        let flat = half_blocks((100, 20), CellShape::new(10, 16).unwrap());
        assert_eq!(flat.fit(640, 480), (43, 40));
        // Quadrants of 8 x 16 cells are 4 x 8: 100 of 4:3 are 400 wide, so 300 high, 37.5.
        let quadrants = PixelGrid { columns: 2, ..half_blocks((50, 100), CellShape::USUAL) };
        assert_eq!(quadrants.fit(640, 480), (100, 38));
    }

    #[test]
    fn a_grid_of_square_pixels_misses_no_row_and_no_column() {
        let square = |grid: PixelGrid| (grid.square().width(), grid.square().height());
        assert_eq!(square(half_blocks((161, 45), CellShape::USUAL)), (161, 90));
        let quadrants = PixelGrid { columns: 2, ..half_blocks((60, 20), CellShape::USUAL) };
        assert_eq!(square(quadrants), (120, 80));
        // Half blocks of 10 x 16 cells are 10 x 8, so a row has 1.25 pixels for each.
        assert_eq!(square(half_blocks((100, 50), CellShape::new(10, 16).unwrap())), (125, 100));
    }

    #[test]
    fn keeps_the_shape() {
        assert_eq!(fitted((640, 480), (160, 45)), (120, 90));
        assert_eq!(fitted((640, 360), (100, 60)), (100, 56));
        assert_eq!(fitted((64, 48), (160, 45)), (120, 90));
    }

    #[test]
    fn takes_what_was_made_to_measure_as_it_is() {
        assert_eq!(fitted((160, 90), (161, 45)), (160, 90));
        assert_eq!(fitted((118, 90), (160, 45)), (118, 90));
    }

    proptest! {
        #[test]
        fn never_larger_than_the_cells(w in 2usize..2000, h in 2usize..2000, cols in 1u16..300, rows in 1u16..100) {
            let (width, height) = fitted((w, h), (cols, rows));
            prop_assert!((1..=usize::from(cols)).contains(&width));
            prop_assert!((1..=usize::from(rows) * 2).contains(&height) && height % 2 == 0);
        }

        #[test]
        fn any_shape_stays_inside(
            frame in (2usize..4000, 2usize..4000),
            cells in (1u16..300, 1u16..100),
            shape in (1u16..64, 1u16..64),
            columns in 1usize..3,
        ) {
            let Some(shape) = CellShape::new(shape.0, shape.1) else { return Ok(()) };
            let grid = PixelGrid { columns, ..half_blocks(cells, shape) };
            let (width, height) = grid.fit(frame.0, frame.1);
            prop_assert!((1..=usize::from(cells.0) * columns).contains(&width));
            prop_assert!((1..=usize::from(cells.1) * 2).contains(&height) && height % 2 == 0);
        }
    }

    #[test]
    fn colours_are_bt601_limited() {
        let mut frame = Frame::black(8, 8);
        let mut sampler = Sampler::default();
        assert_eq!(sampler.sample(&frame, 8, 8)[0], [0, 0, 0]);
        let [y, u, v] = frame.planes_mut();
        y.fill(81);
        u.fill(90);
        v.fill(240);
        for (width, height) in [(8, 8), (3, 2), (20, 14), (1, 2)] {
            let pixels = sampler.sample(&frame, width, height);
            assert_eq!(pixels.len(), width * height);
            for [r, g, b] in pixels {
                assert!(*r > 250 && *g < 4 && *b < 4, "red became {r} {g} {b}");
            }
        }
    }
}
