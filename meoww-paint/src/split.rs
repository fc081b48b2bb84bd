//! The best two colours for the pixels of a cell.
//!
//! Of all ways to put `N` pixels into two groups, each of which is shown in its mean, the one that
//! loses least: the loss is the squared distance of the pixels from their mean. By the decomposition
//! of variance, the least loss within the groups is the greatest distance between them:
//! `|s|^2 (1 / k + 1 / (N - k))`, where `s` is the sum of one group's `k` pixels less the mean of all.
//! The sums of all groups follow from each other, one addition each.

/// Red, green and blue, from 0 to 255.
pub(crate) type Color = [f32; 3];

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
    pub(crate) fn split(&self, pixels: &[Color; N], mean: Color) -> u8 {
        if N == 2 {
            return 1;
        }
        let mut sums = [[0.0; GROUPS]; 3];
        for (channel, sums) in sums.iter_mut().enumerate() {
            for (bit, pixel) in pixels.iter().take(N - 1).enumerate() {
                let (known, new) = sums.split_at_mut(1 << bit);
                let offset = pixel[channel] - mean[channel];
                new.iter_mut().zip(known).for_each(|(new, known)| *new = *known + offset);
            }
        }
        self.best(&sums).max(1)
    }

    /// Positive numbers compare like their bits, so the last bits of one can hold its group.
    fn best(&self, [red, green, blue]: &[[f32; GROUPS]; 3]) -> u8 {
        const GROUP: u32 = GROUPS as u32 - 1;
        let mut best = [0u32; LANES];
        let groups = (1usize << (N - 1)).max(LANES);
        for first in (0..groups).step_by(LANES) {
            for (lane, best) in best.iter_mut().enumerate() {
                let group = first + lane;
                let (r, g, b) = (red[group], green[group], blue[group]);
                let gain = (r * r + g * g + b * b) * self.factors[group];
                *best = (*best).max(gain.to_bits() & !GROUP | group as u32);
            }
        }
        (best.into_iter().max().unwrap_or(0) & GROUP) as u8
    }
}

/// The mean of the pixels whose bits are set; black for none.
pub(crate) fn mean<const N: usize>(pixels: &[Color; N], group: u8) -> Color {
    let mut sum = [0.0; 3];
    for pixel in pixels.iter().enumerate().filter(|(bit, _)| group >> bit & 1 == 1).map(|(_, p)| p)
    {
        sum.iter_mut().zip(pixel).for_each(|(sum, value)| *sum += value);
    }
    let part = 1.0 / group.count_ones().max(1) as f32;
    sum.map(|sum| sum * part)
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
    fn loss<const N: usize>(pixels: &[Color; N], group: u8) -> f64 {
        let mut loss = 0.0;
        for is_in in [true, false] {
            let group: Vec<Color> = (0..N)
                .filter(|bit| (group >> bit & 1 == 1) == is_in)
                .map(|bit| pixels[bit])
                .collect();
            for channel in 0..3 {
                let values = || group.iter().map(|pixel| f64::from(pixel[channel]));
                let mean = values().sum::<f64>() / group.len().max(1) as f64;
                loss += values().map(|value| (value - mean).powi(2)).sum::<f64>();
            }
        }
        loss
    }

    /// Against every other split, tried one after the other.
    fn check<const N: usize>(bytes: &[u8]) {
        let pixels: [Color; N] =
            std::array::from_fn(|i| std::array::from_fn(|c| f32::from(bytes[i * 3 + c])));
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
        let (dark, light) = ([10.0; 3], [200.0; 3]);
        for group in 1..128u8 {
            let pixels: [Color; 8] =
                std::array::from_fn(|bit| if group >> bit & 1 == 1 { light } else { dark });
            let found = Splitter::<8>::new().split(&pixels, mean(&pixels, 255));
            assert!(found == group || found == !group, "{found:#b} for {group:#b}");
        }
    }
}
