//! The error of a picture as it is seen from a distance, where it is made of few colours.
//!
//! Neighbours that err to both sides are seen as their mean, so the error is measured after a small
//! blur: direct binary search (Analoui and Allebach, "Model-based halftoning using direct binary
//! search", 1992). It beats dither by matrices of any kind, and what does not move stays as it is.

use crate::simd::wide;

/// Pixels to either side that the blur reaches.
pub(crate) const RADIUS: usize = 3;
const TAPS: usize = 2 * RADIUS + 1;
/// The standard deviation of the eye's blur, in pixels. That of its autocorrelation, by which errors
/// are weighed, is larger by the root of two.
const DEVIATION: f64 = 0.8;

/// The errors of a picture of `C` channels, and the same blurred.
pub(crate) struct Blur<const C: usize> {
    taps: [f32; TAPS],
    width: usize,
    /// Pixel by pixel, with a margin of [`RADIUS`] on all sides.
    errors: Vec<f32>,
    rows: Vec<f32>,
    blurred: Vec<f32>,
}

impl<const C: usize> Blur<C> {
    pub(crate) fn new() -> Self {
        let variance = 2.0 * DEVIATION * DEVIATION;
        let taps: [f64; TAPS] = std::array::from_fn(|i| {
            let distance = i as f64 - RADIUS as f64;
            (-distance * distance / (2.0 * variance)).exp()
        });
        let sum: f64 = taps.iter().sum();
        let taps = taps.map(|tap| (tap / sum) as f32);
        Self { taps, width: 0, errors: Vec::new(), rows: Vec::new(), blurred: Vec::new() }
    }

    /// How much an error counts with another that is `x` and `y` pixels from it.
    pub(crate) fn correlation(&self, x: usize, y: usize) -> f32 {
        let tap = |distance: usize| self.taps.get(RADIUS + distance).copied().unwrap_or(0.0);
        tap(x) * tap(y)
    }

    /// Begins with the errors of a picture of `width` x `height` pixels: `fill` sets those of a row,
    /// all channels of a pixel before the next.
    pub(crate) fn start(
        &mut self,
        width: usize,
        height: usize,
        mut fill: impl FnMut(usize, &mut [f32]),
    ) {
        let stride = width + 2 * RADIUS;
        let count = stride * (height + 2 * RADIUS) * C;
        if (self.width, self.errors.len()) != (width, count) {
            self.width = width;
            for plane in [&mut self.errors, &mut self.rows, &mut self.blurred] {
                plane.clear();
                plane.resize(count, 0.0);
            }
        }
        for y in 0..height {
            fill(y, &mut self.errors[((y + RADIUS) * stride + RADIUS) * C..][..width * C]);
        }
        wide!(convolve(&self.errors, C, &self.taps, &mut self.rows));
        wide!(convolve(&self.rows, stride * C, &self.taps, &mut self.blurred));
    }

    /// The blurred errors of a row of pixels.
    pub(crate) fn row(&self, y: usize) -> &[f32] {
        let first = ((y + RADIUS) * self.stride() + RADIUS) * C;
        &self.blurred[first..][..self.width * C]
    }

    /// The blurred error of the pixel in a column and row.
    #[inline(always)]
    pub(crate) fn at(&self, (x, y): (usize, usize)) -> [f32; C] {
        let first = ((y + RADIUS) * self.stride() + x + RADIUS) * C;
        let error = &self.blurred[first..][..C];
        std::array::from_fn(|channel| error[channel])
    }

    /// Adds to the error of a pixel.
    pub(crate) fn add(&mut self, (x, y): (usize, usize), change: [f32; C]) {
        if change == [0.0; C] {
            return;
        }
        let stride = self.stride();
        let first = y * stride + x;
        for (down, weight) in self.taps.iter().enumerate() {
            let row = &mut self.blurred[(first + down * stride) * C..][..TAPS * C];
            for (to, across) in row.chunks_exact_mut(C).zip(&self.taps) {
                let weight = weight * across;
                to.iter_mut().zip(change).for_each(|(to, change)| *to += weight * change);
            }
        }
    }

    /// Pixels in a row, with the margins.
    fn stride(&self) -> usize {
        self.width + 2 * RADIUS
    }
}

/// How much the errors of a cell's pixels count with each other.
pub(crate) struct Coupling<const N: usize> {
    matrix: [[f32; N]; N],
    inverse: [[f32; N]; N],
}

impl<const N: usize> Coupling<N> {
    pub(crate) fn new<const C: usize>(blur: &Blur<C>, across: usize) -> Self {
        let matrix: [[f32; N]; N] = std::array::from_fn(|a| {
            std::array::from_fn(|b| {
                blur.correlation(
                    (a % across).abs_diff(b % across),
                    (a / across).abs_diff(b / across),
                )
            })
        });
        Self { matrix, inverse: invert(&matrix) }
    }

    /// The changes of the pixels that would make their blurred errors vanish, with the other sign.
    #[inline(always)]
    pub(crate) fn solve<const C: usize>(&self, blurred: &[[f32; C]; N]) -> [[f32; C]; N] {
        product(&self.inverse, blurred)
    }

    /// How each error counts with all of `errors`.
    #[inline(always)]
    pub(crate) fn spread<const C: usize>(&self, errors: &[[f32; C]; N]) -> [[f32; C]; N] {
        product(&self.matrix, errors)
    }

    /// How much the errors of two pixels count with each other.
    pub(crate) fn weight(&self, a: usize, b: usize) -> f32 {
        self.matrix[a][b]
    }
}

/// Cells that are looked at at once.
const LANES: usize = 8;

impl<const N: usize> Coupling<N> {
    /// For each cell of a row of them, `across` pixels wide: the error that would vanish with it if
    /// its pixels could be anything, which is the most that another glyph can take away.
    pub(crate) fn vanishing<const C: usize>(
        &self,
        blur: &Blur<C>,
        row: usize,
        across: usize,
        cells: &mut [f32],
    ) {
        debug_assert_eq!(C, 1, "of one channel");
        let rows: [&[f32]; N] = std::array::from_fn(|pixel| {
            &blur.row(row * (N / across) + pixel / across)[pixel % across..]
        });
        wide!(match across {
            1 => vanishing::<N, 1>(&self.inverse, &rows, cells),
            _ => vanishing::<N, 2>(&self.inverse, &rows, cells),
        });
    }
}

#[inline(always)]
fn vanishing<const N: usize, const ACROSS: usize>(
    inverse: &[[f32; N]; N],
    rows: &[&[f32]; N],
    cells: &mut [f32],
) {
    for (chunk, cells) in cells.chunks_mut(LANES).enumerate() {
        let mut errors = [[0.0; LANES]; N];
        for (errors, row) in errors.iter_mut().zip(rows) {
            let row = &row[chunk * LANES * ACROSS..];
            if row.len() > (LANES - 1) * ACROSS {
                let row = &row[..(LANES - 1) * ACROSS + 1];
                (0..LANES).for_each(|lane| errors[lane] = row[lane * ACROSS]);
            } else {
                errors
                    .iter_mut()
                    .zip(row.iter().step_by(ACROSS))
                    .for_each(|(to, from)| *to = *from);
            }
        }
        let mut sums = [0.0; LANES];
        for (weights, errors_of_one) in inverse.iter().zip(&errors) {
            let mut steps = [0.0; LANES];
            for (weight, errors) in weights.iter().zip(&errors) {
                steps.iter_mut().zip(errors).for_each(|(step, error)| *step += weight * error);
            }
            let products = steps.iter().zip(errors_of_one);
            sums.iter_mut().zip(products).for_each(|(sum, (step, error))| *sum += step * error);
        }
        cells.copy_from_slice(&sums[..cells.len()]);
    }
}

/// A matrix by a column of errors. It is symmetric, so its rows are its columns.
#[inline(always)]
fn product<const N: usize, const C: usize>(
    matrix: &[[f32; N]; N],
    errors: &[[f32; C]; N],
) -> [[f32; C]; N] {
    let mut sums = [[0.0; C]; N];
    for (row, error) in matrix.iter().zip(errors) {
        for (sum, weight) in sums.iter_mut().zip(row) {
            sum.iter_mut().zip(error).for_each(|(sum, error)| *sum += weight * error);
        }
    }
    sums
}

/// The sum of the products of two columns.
#[inline(always)]
pub(crate) fn dot<const N: usize, const C: usize>(a: &[[f32; C]; N], b: &[[f32; C]; N]) -> f32 {
    a.as_flattened().iter().zip(b.as_flattened()).map(|(a, b)| a * b).sum()
}

/// By Gauss and Jordan; the matrix is positive definite, so no row has to be exchanged.
fn invert<const N: usize>(matrix: &[[f32; N]; N]) -> [[f32; N]; N] {
    let mut left = matrix.map(|row| row.map(f64::from));
    let mut right: [[f64; N]; N] =
        std::array::from_fn(|a| std::array::from_fn(|b| if a == b { 1.0 } else { 0.0 }));
    for pivot in 0..N {
        let scale = 1.0 / left[pivot][pivot];
        left[pivot] = left[pivot].map(|value| value * scale);
        right[pivot] = right[pivot].map(|value| value * scale);
        for row in (0..N).filter(|row| *row != pivot) {
            let factor = left[row][pivot];
            for column in 0..N {
                left[row][column] -= factor * left[pivot][column];
                right[row][column] -= factor * right[pivot][column];
            }
        }
    }
    right.map(|row| row.map(|value| value as f32))
}

/// Convolves with `taps` that are `step` apart. The outermost have no neighbours on one side.
#[inline(always)]
fn convolve(from: &[f32], step: usize, taps: &[f32; TAPS], to: &mut [f32]) {
    let inner = from.len() - 2 * RADIUS * step;
    let sources: [&[f32]; TAPS] = std::array::from_fn(|tap| &from[tap * step..][..inner]);
    for (index, to) in to[RADIUS * step..][..inner].iter_mut().enumerate() {
        *to = sources.iter().zip(taps).map(|(source, tap)| source[index] * tap).sum();
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Errors added one by one are those of a picture that had them from the start.
        #[test]
        fn changes_add_up(changes in prop::collection::vec((0usize..77, -99i16..99), 1..20)) {
            let (width, height) = (11, 7);
            let mut errors = [0.0; 77];
            let mut blur = Blur::<2>::new();
            blur.start(width, height, |_, row| row.fill(0.0));
            for (pixel, change) in changes {
                let change = f32::from(change);
                errors[pixel] += change;
                blur.add((pixel % width, pixel / width), [change, -change]);
            }
            let mut whole = Blur::<2>::new();
            whole.start(width, height, |y, row| {
                for (x, to) in row.as_chunks_mut::<2>().0.iter_mut().enumerate() {
                    *to = [errors[y * width + x], -errors[y * width + x]];
                }
            });
            for pixel in 0..width * height {
                let at = (pixel % width, pixel / width);
                for (a, b) in blur.at(at).iter().zip(whole.at(at)) {
                    prop_assert!((a - b).abs() < 1e-2, "{a} and {b}");
                }
            }
        }
    }

    /// Far from the borders nothing of an error is lost, and it is spread evenly.
    #[test]
    fn an_error_keeps_its_sum() {
        let mut blur = Blur::<1>::new();
        blur.start(9, 9, |y, row| {
            row.fill(0.0);
            row[4] = if y == 4 { 100.0 } else { 0.0 };
        });
        let sum: f32 = (0..81).map(|pixel| blur.at((pixel % 9, pixel / 9))[0]).sum();
        assert!((sum - 100.0).abs() < 1e-3, "{sum}");
        assert_eq!(blur.at((3, 4)), blur.at((5, 4)));
        assert_eq!(blur.at((4, 3)), blur.at((4, 5)));
        assert!((blur.at((4, 4))[0] - 100.0 * blur.correlation(0, 0)).abs() < 1e-3);
    }

    proptest! {
        /// Of cells in a row as of each alone, whatever was there before.
        #[test]
        fn what_can_vanish_is_the_same_for_many(
            errors in prop::collection::vec(-99i16..99, 2 * 19 * 8),
            columns in 1usize..=19,
        ) {
            let coupling = Coupling::<8>::new(&Blur::<1>::new(), 2);
            let mut blur = Blur::<1>::new();
            for turn in [7, 0] {
                blur.start(2 * columns, 8, |y, row| {
                    row.iter_mut().enumerate().for_each(|(x, to)| {
                        *to = f32::from(errors[(y * 2 * columns + x + turn) % errors.len()]);
                    });
                });
            }
            let mut found = vec![0.0; columns];
            coupling.vanishing(&blur, 1, 2, &mut found);
            for (x, found) in found.into_iter().enumerate() {
                let blurred: [[f32; 1]; 8] =
                    std::array::from_fn(|pixel| blur.at((2 * x + pixel % 2, 4 + pixel / 2)));
                let alone = dot(&coupling.solve(&blurred), &blurred);
                prop_assert!((alone - found).abs() <= 1e-3 * alone.abs() + 1e-2, "{found}, {alone}");
            }
        }
    }

    #[test]
    fn a_matrix_by_its_inverse_is_one() {
        let blur = Blur::<1>::new();
        let Coupling { matrix, inverse } = Coupling::<8>::new(&blur, 2);
        for (index, row) in matrix.iter().enumerate() {
            for column in 0..8 {
                let product = row.iter().zip(&inverse).map(|(a, b)| a * b[column]).sum::<f32>();
                let expected = if index == column { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-3, "{index}, {column}: {product}");
            }
        }
    }
}
