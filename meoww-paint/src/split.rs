//! The best two colours for the pixels of a cell.
//!
//! Of all ways to put `N` pixels into two groups, each of which is shown in its mean, the one that
//! loses least: the loss is the squared distance of the pixels from their mean. By the decomposition
//! of variance, the least loss within the groups is the greatest distance between them:
//! `|s|^2 (1 / k + 1 / (N - k))`, where `s` is the sum of one group's `k` pixels less the mean of all.
//! The sums of all groups follow from each other, one addition each.

/// Red, green and blue, from 0 to 255.
pub(crate) type Color = [f32; 3];

/// The colours of `N` pixels, channel by channel.
pub(crate) type Pixels<const N: usize> = [[f32; N]; 3];

/// Finds the groups of `N` pixels, 2 to 8.
pub(crate) struct Splitter<const N: usize> {
    /// By group: `1 / k + 1 / (N - k)`.
    factors: [f32; GROUPS],
}

/// Groups of eight pixels, each without the last pixel, as every split has a twin with the groups
/// exchanged.
const GROUPS: usize = 128;
/// Groups that are compared at once.
const LANES: usize = 8;

impl<const N: usize> Splitter<N> {
    pub(crate) fn new() -> Self {
        let mut factors = [0.0; GROUPS];
        for (group, factor) in factors.iter_mut().enumerate().take(1 << (N - 1)).skip(1) {
            let count = group.count_ones() as f32;
            *factor = 1.0 / count + 1.0 / (N as f32 - count);
        }
        Self { factors }
    }

    /// Returns the pixels of one group, bit by bit from the first; neither group is empty.
    #[inline(always)]
    pub(crate) fn split(&self, pixels: &Pixels<N>, mean: Color) -> u8 {
        if N == 2 {
            return 1;
        }
        // Sums of groups of the first three pixels, and of those of the others.
        let (mut low, mut high) = ([[0.0; LANES]; 3], [[0.0; GROUPS / LANES]; 3]);
        for ((low, high), (pixels, mean)) in
            low.iter_mut().zip(&mut high).zip(pixels.iter().zip(mean))
        {
            add_up(&pixels[..3], mean, low);
            add_up(&pixels[3..N - 1], mean, high);
        }
        self.best(&low, &high).max(1)
    }

    /// Positive numbers compare like their bits, so the last bits of one can hold its group.
    #[inline(always)]
    fn best(&self, low: &[[f32; LANES]; 3], high: &[[f32; GROUPS / LANES]; 3]) -> u8 {
        const GROUP: u32 = GROUPS as u32 - 1;
        let mut best = [0u32; LANES];
        let factors = self.factors.as_chunks::<LANES>().0;
        for (index, factors) in factors.iter().enumerate().take((1 << (N - 1)) / LANES) {
            for (lane, best) in best.iter_mut().enumerate() {
                let r = low[0][lane] + high[0][index];
                let g = low[1][lane] + high[1][index];
                let b = low[2][lane] + high[2][index];
                let gain = (r * r + g * g + b * b) * factors[lane];
                *best = (*best).max(gain.to_bits() & !GROUP | (index * LANES + lane) as u32);
            }
        }
        (best.into_iter().max().unwrap_or(0) & GROUP) as u8
    }
}

/// The sums of all groups of pixels less the mean of all, of one channel.
#[inline(always)]
fn add_up(pixels: &[f32], mean: f32, sums: &mut [f32]) {
    for (bit, pixel) in pixels.iter().enumerate() {
        let (known, new) = sums.split_at_mut(1 << bit);
        new.iter_mut().zip(known).for_each(|(new, known)| *new = *known + (pixel - mean));
    }
}

/// The mean of the pixels whose bits are set; black for none.
#[inline(always)]
pub(crate) fn mean<const N: usize>(pixels: &Pixels<N>, group: u8) -> Color {
    let part = 1.0 / group.count_ones().max(1) as f32;
    sum(pixels, group).map(|sum| sum * part)
}

/// The sum of the pixels whose bits are set.
#[inline(always)]
pub(crate) fn sum<const N: usize>(pixels: &Pixels<N>, group: u8) -> Color {
    let mut sums = [0.0; 3];
    for (sum, values) in sums.iter_mut().zip(pixels) {
        let mut parts = *values;
        for (bit, part) in parts.iter_mut().enumerate() {
            *part = if group >> bit & 1 == 1 { *part } else { 0.0 };
        }
        *sum = total(parts);
    }
    sums
}

/// The sum, by halves, which are added at once.
#[inline(always)]
pub(crate) fn total<const N: usize>(mut values: [f32; N]) -> f32 {
    let mut count = N;
    while count > 1 {
        let half = count.div_ceil(2);
        (half..count).for_each(|index| values[index - half] += values[index]);
        count = half;
    }
    values[0]
}

/// The squared distance of each pixel from a colour.
#[inline(always)]
pub(crate) fn distances<const N: usize>(pixels: &Pixels<N>, color: Color) -> [f32; N] {
    let [red, green, blue] = pixels;
    let mut errors = [0.0; N];
    for (error, ((red, green), blue)) in errors.iter_mut().zip(red.iter().zip(green).zip(blue)) {
        *error = distance([*red, *green, *blue], color);
    }
    errors
}

/// The squared distance of two colours.
#[inline(always)]
pub(crate) fn distance(a: Color, b: Color) -> f32 {
    let (r, g, b) = (a[0] - b[0], a[1] - b[1], a[2] - b[2]);
    r * r + g * g + b * b
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Squared distances of the pixels from the mean of their group.
    fn loss<const N: usize>(pixels: &Pixels<N>, group: u8) -> f64 {
        let mut loss = 0.0;
        for is_in in [true, false] {
            let group: Vec<usize> = (0..N).filter(|bit| (group >> bit & 1 == 1) == is_in).collect();
            for channel in pixels {
                let values = || group.iter().map(|pixel| f64::from(channel[*pixel]));
                let mean = values().sum::<f64>() / group.len().max(1) as f64;
                loss += values().map(|value| (value - mean).powi(2)).sum::<f64>();
            }
        }
        loss
    }

    /// Against every other split, tried one after the other.
    fn check<const N: usize>(bytes: &[u8]) {
        let pixels: Pixels<N> =
            std::array::from_fn(|c| std::array::from_fn(|i| f32::from(bytes[i * 3 + c])));
        let every = (((1u16 << N) - 1) & 0xff) as u8;
        let found = Splitter::<N>::new().split(&pixels, mean(&pixels, every));
        assert!(found != 0 && found != every, "two groups");
        let least = (1..every).map(|group| loss(&pixels, group)).fold(f64::MAX, f64::min);
        // The last bits of a gain are given up for its group.
        let slack = 1e-4 * loss(&pixels, 0) + 1.0;
        assert!(loss(&pixels, found) <= least + slack, "{} for {least}", loss(&pixels, found));
    }

    proptest! {
        #[test]
        fn no_other_split_loses_less(bytes in prop::collection::vec(any::<u8>(), 24)) {
            check::<2>(&bytes);
            check::<4>(&bytes);
            check::<6>(&bytes);
            check::<8>(&bytes);
        }
    }

    #[test]
    fn two_colours_are_kept_apart() {
        for group in 1..128u8 {
            let pixels =
                [std::array::from_fn(|bit| if group >> bit & 1 == 1 { 200.0 } else { 10.0 }); 3];
            let found = Splitter::<8>::new().split(&pixels, mean(&pixels, 255));
            assert!(found == group || found == !group, "{found:#b} for {group:#b}");
        }
    }
}
