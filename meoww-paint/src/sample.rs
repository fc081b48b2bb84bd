//! A frame brought to the size it is drawn at, as RGB.

use crate::{
    area::{CellShape, Size},
    colorimetry::Coefficients,
    coverage::{BAND, PlaneScaler},
    frame::Frame,
    layout::Planes,
    scale::Grid,
    simd::wide,
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

    /// The largest size in pixels that shows a frame of `width` x `height` pixels of this shape in
    /// its own, in whole cells. A frame that already fills the grid one way stays as it is.
    pub(crate) fn fit(self, width: usize, height: usize, shape: CellShape) -> (usize, usize) {
        let ((max_width, max_height), (w, h)) = (self.size(), self.pixel());
        // The sender rounds to even sizes: stretching by one pixel would only blur.
        let fills = width <= max_width
            && height <= max_height
            && (max_width - width < 2 || max_height - height < 2);
        let is_whole = width.is_multiple_of(self.columns) && height.is_multiple_of(self.rows);
        if w * usize::from(shape.height()) == h * usize::from(shape.width()) && fills && is_whole {
            return (width, height);
        }
        let (width, height) =
            (width * usize::from(shape.width()), height * usize::from(shape.height()));
        // Either side times the other's shape, so that nothing is rounded before the end.
        let (grid_shape, frame_shape) = (max_width * w * height, max_height * h * width);
        if grid_shape <= frame_shape {
            (max_width, round(grid_shape, h * width * self.rows).max(1) * self.rows)
        } else {
            (round(frame_shape, w * height * self.columns).max(1) * self.columns, max_height)
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
    scalers: [PlaneScaler; 3],
}

impl Sampler {
    /// Sets `planes` to the frame in `width` x `height` pixels, neither of which is zero. Each pixel
    /// has a colour of its own: chroma is scaled to as many samples as luma.
    pub(crate) fn sample(
        &mut self,
        frame: &Frame,
        width: usize,
        height: usize,
        planes: &mut Planes,
    ) {
        for (scaler, from) in self.scalers.iter_mut().zip(frame.plane_sizes()) {
            scaler.prepare(from, (width, height));
        }
        planes.iter_mut().for_each(|plane| plane.resize(width * height, 0));
        let to = frame.colorimetry().coefficients();
        let ([y, u, v], sources) = (&mut self.scalers, frame.planes());
        let [red, green, blue] = planes;
        for first in (0..height).step_by(BAND) {
            let luma = y.band(sources[0], first);
            let rows = luma.zip(u.band(sources[1], first)).zip(v.band(sources[2], first));
            for (row, ((y, u), v)) in rows.enumerate() {
                let at = (first + row) * width..(first + row + 1) * width;
                let mut rgb = [&mut red[at.clone()], &mut green[at.clone()], &mut blue[at]];
                wide!(to_rgb([y, u, v], &to, &mut rgb));
            }
        }
    }

    /// The same, but how bright it is only.
    pub(crate) fn sample_brightness(
        &mut self,
        frame: &Frame,
        width: usize,
        height: usize,
        [bright, green, blue]: &mut Planes,
    ) {
        bright.resize(width * height, 0);
        green.clear();
        blue.clear();
        let to = frame.colorimetry().coefficients();
        let (source, from) = (frame.planes()[0], frame.plane_sizes()[0]);
        self.scalers[0].scale(source, from, (width, height), |y, row| {
            wide!(to_brightness(row, &to, &mut bright[y * width..][..width]));
        });
    }
}

/// Added to a number from 0 to 255, it leaves that number, rounded, in the lowest eight bits: above it,
/// no `f32` has a fraction. Unlike a cast, this is two instructions for several pixels at once.
const WHOLE: f32 = 1.5 * (1 << 23) as f32;

/// The nearest whole number from 0 to 255.
#[inline(always)]
pub(crate) fn rounded(value: f32) -> u8 {
    (value.clamp(0.0, 255.0) + WHOLE).to_bits() as u8
}

/// Makes a row of Y, U and V one of red, green and blue.
#[inline(always)]
fn to_rgb([y, u, v]: [&[f32]; 3], to: &Coefficients, [red, green, blue]: &mut [&mut [u8]; 3]) {
    let yuv = y.iter().zip(u).zip(v);
    let rgb = red.iter_mut().zip(green.iter_mut()).zip(blue.iter_mut());
    for (((y, u), v), ((red, green), blue)) in yuv.zip(rgb) {
        let (luma, hue) = ((y - to.black) * to.luma, (u - 128.0, v - 128.0));
        *red = rounded(luma + to.red_v * hue.1);
        *green = rounded(luma + to.green_u * hue.0 + to.green_v * hue.1);
        *blue = rounded(luma + to.blue_u * hue.0);
    }
}

/// Makes a row of Y how bright its pixels are.
#[inline(always)]
fn to_brightness(y: &[f32], to: &Coefficients, bright: &mut [u8]) {
    for (bright, y) in bright.iter_mut().zip(y) {
        *bright = rounded((y - to.black) * to.luma);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        colorimetry::{Colorimetry, Matrix, Range},
        palette::Rgb,
    };

    fn sampled(frame: &Frame, width: usize, height: usize) -> Planes {
        let mut planes = Planes::default();
        Sampler::default().sample(frame, width, height, &mut planes);
        planes
    }

    fn at(planes: &Planes, index: usize) -> Rgb {
        planes.each_ref().map(|plane| plane[index])
    }

    fn half_blocks(cells: (u16, u16), shape: CellShape) -> PixelGrid {
        let cells = Size { width: cells.0, height: cells.1 };
        PixelGrid { cells, columns: 1, rows: 2, shape }
    }

    fn fitted(frame: (usize, usize), cells: (u16, u16)) -> (usize, usize) {
        half_blocks(cells, CellShape::USUAL).fit(frame.0, frame.1, CellShape::SQUARE)
    }

    #[test]
    fn cells_of_another_shape_show_the_same_shape() {
        // 4:3 in 100 x 100 cells of 10 x 16 pixels, 1000 pixels wide: 750 high, 46.9 cells.
        let wide = half_blocks((100, 100), CellShape::new(10, 16).unwrap());
        assert_eq!(wide.fit(640, 480, CellShape::SQUARE), (100, 94));
        // In 100 x 20 of them it is 320 high, so 426.7 wide: 43 cells.
        let flat = half_blocks((100, 20), CellShape::new(10, 16).unwrap());
        assert_eq!(flat.fit(640, 480, CellShape::SQUARE), (43, 40));
        // Quadrants of 8 x 16 cells are 4 x 8: 100 of 4:3 are 400 wide, so 300 high, 37.5.
        let quadrants = PixelGrid { columns: 2, ..half_blocks((50, 100), CellShape::USUAL) };
        assert_eq!(quadrants.fit(640, 480, CellShape::SQUARE), (100, 38));
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
            let (width, height) = grid.fit(frame.0, frame.1, CellShape::SQUARE);
            prop_assert!((1..=usize::from(cells.0) * columns).contains(&width));
            prop_assert!(width % columns == 0);
            prop_assert!((1..=usize::from(cells.1) * 2).contains(&height) && height % 2 == 0);
        }
    }

    /// A picture of pixels twice as wide as high is as wide as one of twice as many square ones.
    #[test]
    fn wide_pixels_make_a_wide_picture() {
        let grid = half_blocks((160, 60), CellShape::USUAL);
        let wide = CellShape::new(2, 1).unwrap();
        assert_eq!(grid.fit(320, 240, wide), grid.fit(640, 240, CellShape::SQUARE));
        assert_eq!(grid.fit(320, 240, wide), (160, 60));
        // 720 x 576 at 16:15 is 768 wide, which is 4:3.
        let pal = CellShape::new(16, 15).unwrap();
        assert_eq!(grid.fit(720, 576, pal), (160, 120));
    }

    fn plain(yuv: [u8; 3], colorimetry: Colorimetry) -> Frame {
        let mut frame = Frame::black(8, 8).with_colorimetry(colorimetry);
        frame.planes_mut().into_iter().zip(yuv).for_each(|(plane, value)| plane.fill(value));
        frame
    }

    /// Y, Cb, Cr and what they are in RGB: the 100 % bars of BT.601 and of BT.709 (its table of
    /// digital values, by the derived coefficients), and JFIF's (full range).
    #[test]
    fn published_values_become_the_colour_bars() {
        let (limited, full) = (Range::Limited, Range::Full);
        type Bars = &'static [([u8; 3], Rgb)];
        let bars: [(Matrix, Range, Bars); 3] = [
            (
                Matrix::Bt601,
                limited,
                &[
                    ([235, 128, 128], [255, 255, 255]),
                    ([210, 16, 146], [255, 255, 0]),
                    ([170, 166, 16], [0, 255, 255]),
                    ([145, 54, 34], [0, 255, 0]),
                    ([106, 202, 222], [255, 0, 255]),
                    ([81, 90, 240], [255, 0, 0]),
                    ([41, 240, 110], [0, 0, 255]),
                    ([16, 128, 128], [0, 0, 0]),
                ],
            ),
            (
                Matrix::Bt709,
                limited,
                &[
                    ([235, 128, 128], [255, 255, 255]),
                    ([219, 16, 138], [255, 255, 0]),
                    ([188, 154, 16], [0, 255, 255]),
                    ([173, 42, 26], [0, 255, 0]),
                    ([78, 214, 230], [255, 0, 255]),
                    ([63, 102, 240], [255, 0, 0]),
                    ([32, 240, 118], [0, 0, 255]),
                    ([16, 128, 128], [0, 0, 0]),
                ],
            ),
            (
                Matrix::Bt601,
                full,
                &[
                    ([255, 128, 128], [255, 255, 255]),
                    ([76, 85, 255], [255, 0, 0]),
                    ([150, 44, 21], [0, 255, 0]),
                    ([29, 255, 107], [0, 0, 255]),
                    ([0, 128, 128], [0, 0, 0]),
                ],
            ),
        ];
        for (matrix, range, colours) in bars {
            for (yuv, rgb) in colours {
                let frame = plain(*yuv, Colorimetry { matrix, range });
                for (width, height) in [(8, 8), (3, 2), (20, 14), (1, 2)] {
                    let samples = sampled(&frame, width, height);
                    for index in 0..width * height {
                        let seen = at(&samples, index);
                        let is_near = seen.iter().zip(rgb).all(|(a, b)| a.abs_diff(*b) <= 2);
                        assert!(is_near, "{yuv:?} in {matrix:?} became {seen:?} for {rgb:?}");
                    }
                }
            }
        }
    }

    proptest! {
        /// The formula of BT.601 with real numbers.
        #[test]
        fn every_colour_is_the_nearest_to_the_formula(y: u8, u: u8, v: u8) {
            let frame = plain([y, u, v], Colorimetry::default());
            let seen = at(&sampled(&frame, 1, 1), 0);
            let (y, u, v) = (f64::from(y) - 16.0, f64::from(u) - 128.0, f64::from(v) - 128.0);
            let light = 255.0 / 219.0 * y;
            let (red, blue) = (255.0 / 224.0 * 1.402 * v, 255.0 / 224.0 * 1.772 * u);
            let green = -(0.299 * red + 0.114 * blue) / 0.587;
            for (seen, hue) in seen.into_iter().zip([red, green, blue]) {
                let wanted = (light + hue).clamp(0.0, 255.0);
                prop_assert!((f64::from(seen) - wanted).abs() <= 0.501, "{seen} for {wanted}");
            }
        }
    }

    /// Red beside blue, two pixels each: colour changes as sharply as brightness.
    #[test]
    fn chroma_is_as_sharp_as_the_pixels() {
        let mut frame = Frame::black(8, 2);
        for (plane, [left, right]) in
            frame.planes_mut().into_iter().zip([[81, 41], [90, 240], [240, 110]])
        {
            let (left_half, right_half) = plane.split_at_mut(plane.len() / 2);
            for half in [left_half, right_half] {
                let (a, b) = half.split_at_mut(half.len() / 2);
                a.fill(left);
                b.fill(right);
            }
        }
        // Planes of 8 x 2 and 4 x 1: of the latter, the halves above are quarters.
        for plane in &mut frame.planes_mut()[1..] {
            let (left, right) = (plane[0], plane[1]);
            plane.copy_from_slice(&[left, left, right, right]);
        }
        let samples = sampled(&frame, 4, 1);
        let near =
            |seen: Rgb, wanted: Rgb| seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 2);
        for (index, wanted) in
            [[255, 0, 0], [255, 0, 0], [0, 0, 255], [0, 0, 255]].iter().enumerate()
        {
            assert!(near(at(&samples, index), *wanted), "{index}: {:?}", at(&samples, index));
        }
    }
}
