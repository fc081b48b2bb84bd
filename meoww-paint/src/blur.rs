//! The error of a picture as it is seen from a distance, where it is made of few colours.
//!
//! Neighbours that err to both sides are seen as their mean, so the error is measured after a small
//! blur: direct binary search (Analoui and Allebach, "Model-based halftoning using direct binary
//! search", 1992). It beats dither by matrices of any kind, and what does not move stays as it is.

/// Pixels to either side that the blur reaches.
const RADIUS: usize = 3;
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

    /// Begins with the errors of a picture of `width` x `height` pixels, row by row.
    pub(crate) fn start(&mut self, width: usize, height: usize, error: impl Fn(usize) -> [f32; C]) {
        self.width = width;
        let stride = self.stride();
        let count = stride * (height + 2 * RADIUS) * C;
        for plane in [&mut self.errors, &mut self.rows, &mut self.blurred] {
            plane.clear();
            plane.resize(count, 0.0);
        }
        for y in 0..height {
            let row = &mut self.errors[((y + RADIUS) * stride + RADIUS) * C..][..width * C];
            for (x, to) in row.chunks_exact_mut(C).enumerate() {
                to.copy_from_slice(&error(y * width + x));
            }
        }
        convolve(&self.errors, C, &self.taps, &mut self.rows);
        convolve(&self.rows, stride * C, &self.taps, &mut self.blurred);
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
            let mut blur = Blur::new();
            blur.start(width, height, |_| [0.0; 2]);
            for (pixel, change) in changes {
                let change = f32::from(change);
                errors[pixel] += change;
                blur.add((pixel % width, pixel / width), [change, -change]);
            }
            let mut whole = Blur::new();
            whole.start(width, height, |pixel| [errors[pixel], -errors[pixel]]);
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
        let mut blur = Blur::new();
        blur.start(9, 9, |pixel| [if pixel == 40 { 100.0 } else { 0.0 }]);
        let sum: f32 = (0..81).map(|pixel| blur.at((pixel % 9, pixel / 9))[0]).sum();
        assert!((sum - 100.0).abs() < 1e-3, "{sum}");
        assert_eq!(blur.at((3, 4)), blur.at((5, 4)));
        assert_eq!(blur.at((4, 3)), blur.at((4, 5)));
        assert!((blur.at((4, 4))[0] - 100.0 * blur.correlation(0, 0)).abs() < 1e-3);
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
