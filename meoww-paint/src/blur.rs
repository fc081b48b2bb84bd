//! The error of a picture as it is seen from a distance, where it is made of few colours.
//!
//! Neighbours that err to both sides are seen as their mean, so the error is measured after a small
//! blur: direct binary search (Analoui and Allebach, "Model-based halftoning using direct binary
//! search", 1992). It beats dither by matrices of any kind, and what does not move stays as it is.

use crate::split::Color;

/// Pixels to either side that the blur reaches.
const RADIUS: usize = 3;
const TAPS: usize = 2 * RADIUS + 1;
/// The standard deviation of the eye's blur, in pixels. That of its autocorrelation, by which errors
/// are weighed, is larger by the root of two.
const DEVIATION: f64 = 0.8;

/// An error of three channels; the fourth makes it as long as a register.
pub(crate) type Error = [f32; 4];

/// The errors of a picture, and the same blurred.
pub(crate) struct Blur {
    taps: [f32; TAPS],
    width: usize,
    height: usize,
    /// With a margin of [`RADIUS`] on all sides.
    errors: Vec<Error>,
    rows: Vec<Error>,
    blurred: Vec<Error>,
}

impl Blur {
    pub(crate) fn new() -> Self {
        let variance = 2.0 * DEVIATION * DEVIATION;
        let taps: [f64; TAPS] = std::array::from_fn(|i| {
            let distance = i as f64 - RADIUS as f64;
            (-distance * distance / (2.0 * variance)).exp()
        });
        let sum: f64 = taps.iter().sum();
        let taps = taps.map(|tap| (tap / sum) as f32);
        let empty = Vec::new;
        Self { taps, width: 0, height: 0, errors: empty(), rows: empty(), blurred: empty() }
    }

    /// How much an error counts with another that is `x` and `y` pixels from it.
    pub(crate) fn correlation(&self, x: usize, y: usize) -> f32 {
        let tap = |distance: usize| self.taps.get(RADIUS + distance).copied().unwrap_or(0.0);
        tap(x) * tap(y)
    }

    /// Begins with the errors of a picture of `width` x `height` pixels, row by row.
    pub(crate) fn start(&mut self, width: usize, height: usize, error: impl Fn(usize) -> Error) {
        (self.width, self.height) = (width, height);
        let stride = width + 2 * RADIUS;
        let count = stride * (height + 2 * RADIUS);
        for plane in [&mut self.errors, &mut self.rows, &mut self.blurred] {
            plane.clear();
            plane.resize(count, [0.0; 4]);
        }
        for y in 0..height {
            let row = &mut self.errors[(y + RADIUS) * stride + RADIUS..][..width];
            row.iter_mut().enumerate().for_each(|(x, to)| *to = error(y * width + x));
        }
        convolve(&self.errors, 1, &self.taps, &mut self.rows);
        convolve(&self.rows, stride, &self.taps, &mut self.blurred);
    }

    /// The blurred error of a pixel.
    #[inline(always)]
    pub(crate) fn at(&self, pixel: usize) -> Error {
        self.blurred[self.place(pixel) + RADIUS * (self.width + 2 * RADIUS) + RADIUS]
    }

    /// Adds to the error of a pixel.
    pub(crate) fn add(&mut self, pixel: usize, change: Error) {
        if change == [0.0; 4] {
            return;
        }
        let (first, stride) = (self.place(pixel), self.width + 2 * RADIUS);
        for (y, down) in self.taps.iter().enumerate() {
            let row = &mut self.blurred[first + y * stride..][..TAPS];
            for (to, across) in row.iter_mut().zip(&self.taps) {
                let weight = down * across;
                to.iter_mut().zip(change).for_each(|(to, change)| *to += weight * change);
            }
        }
    }

    /// The upper left of what a pixel's error reaches.
    fn place(&self, pixel: usize) -> usize {
        pixel / self.width * (self.width + 2 * RADIUS) + pixel % self.width
    }
}

/// How much the errors of a cell's pixels count with each other.
pub(crate) struct Coupling<const N: usize> {
    matrix: [[f32; N]; N],
    inverse: [[f32; N]; N],
}

impl<const N: usize> Coupling<N> {
    pub(crate) fn new(blur: &Blur, across: usize) -> Self {
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

    /// The changes of the pixels that would make their blurred errors vanish.
    pub(crate) fn solve(&self, blurred: &[Error; N]) -> [Color; N] {
        self.inverse.map(|row| {
            let mut sum = [0.0; 3];
            for (weight, error) in row.iter().zip(blurred) {
                sum.iter_mut().zip(error).for_each(|(sum, error)| *sum += weight * error);
            }
            sum
        })
    }

    /// How each error counts with all of `errors`.
    pub(crate) fn spread(&self, errors: &[f32; N]) -> [f32; N] {
        self.matrix.map(|row| row.iter().zip(errors).map(|(weight, error)| weight * error).sum())
    }

    pub(crate) fn loss(&self, errors: &[Color; N]) -> f32 {
        let mut loss = 0.0;
        for (a, row) in errors.iter().zip(&self.matrix) {
            for (b, weight) in errors.iter().zip(row) {
                loss += weight * (a[0] * b[0] + a[1] * b[1] + a[2] * b[2]);
            }
        }
        loss
    }
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
fn convolve(from: &[Error], step: usize, taps: &[f32; TAPS], to: &mut [Error]) {
    let inner = from.len() - RADIUS * step;
    for (index, to) in to.iter_mut().enumerate().take(inner).skip(RADIUS * step) {
        let first = index - RADIUS * step;
        let mut sum = [0.0; 4];
        for (tap, weight) in taps.iter().enumerate() {
            let error = from[first + tap * step];
            sum.iter_mut().zip(error).for_each(|(sum, error)| *sum += error * weight);
        }
        *to = sum;
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
            let mut blur = Blur::new();
            blur.start(width, height, |_| [0.0; 4]);
            for (pixel, change) in changes {
                let change = f32::from(change);
                errors[pixel] += change;
                blur.add(pixel, [change, 0.0, -change, 0.0]);
            }
            let mut whole = Blur::new();
            whole.start(width, height, |pixel| [errors[pixel], 0.0, -errors[pixel], 0.0]);
            for pixel in 0..width * height {
                for (a, b) in blur.at(pixel).iter().zip(whole.at(pixel)) {
                    prop_assert!((a - b).abs() < 1e-2, "{a} and {b}");
                }
            }
        }
    }

    /// Far from the borders nothing of an error is lost, and it is spread evenly.
    #[test]
    fn an_error_keeps_its_sum() {
        let mut blur = Blur::new();
        blur.start(9, 9, |pixel| if pixel == 40 { [100.0; 4] } else { [0.0; 4] });
        let sum: f32 = (0..81).map(|pixel| blur.at(pixel)[0]).sum();
        assert!((sum - 100.0).abs() < 1e-3, "{sum}");
        assert_eq!(blur.at(39), blur.at(41));
        assert_eq!(blur.at(31), blur.at(49));
        assert!((blur.at(40)[0] - 100.0 * blur.correlation(0, 0)).abs() < 1e-3);
    }

    #[test]
    fn a_matrix_by_its_inverse_is_one() {
        let blur = Blur::new();
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
