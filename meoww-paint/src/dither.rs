//! Pictures in the 216 colours of a cube, by a pattern that stays where it is on the screen.
//!
//! The pattern is blue noise: what is rounded up and down is spread evenly and without a grain that one
//! sees (Ulichney, "The void-and-cluster method for dither array generation", Proc. SPIE 1913, 1993).
//! A pixel keeps its colour where another one would be little nearer, so that noise of a camera changes
//! few.

use std::sync::LazyLock;

use crate::raster::Channels;

/// Levels of a channel.
pub(crate) const LEVELS: u8 = 6;
/// Of a pixel of which nothing is known.
const UNKNOWN: u8 = u8::MAX;
/// From one level to the next, in the units of what is added to a channel that is multiplied by one
/// level less than there are.
const UNIT: u16 = 255;

/// Side of the pattern.
const SIDE: usize = 64;
/// The value added to each pixel before it is rounded down: from 0 to 254, each as often.
static PATTERN: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let count = SIDE * SIDE;
    void_and_cluster().into_iter().map(|rank| (rank * 255 / count) as u8).collect()
});

/// A picture as it is shown, in levels of each channel.
#[derive(Default)]
pub(crate) struct Dithered {
    pub(crate) width: usize,
    pub(crate) height: usize,
    levels: Channels,
    /// The colours that were nearest to the last picture: their places in the cube.
    nearest: Vec<u8>,
    fates: Vec<Fate>,
}

/// The effect of the last picture on a pixel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is the nearest still.
    Stays,
    /// It was kept, though another is nearer.
    Kept,
    /// It is another one now.
    Changed,
}

impl Dithered {
    /// Takes up a picture of this size, of which nothing is shown.
    pub(crate) fn restart(&mut self, width: usize, height: usize) {
        (self.width, self.height) = (width, height);
        self.levels.iter_mut().for_each(|levels| {
            levels.clear();
            levels.resize(width * height, UNKNOWN);
        });
        self.nearest.resize(width * height, UNKNOWN);
        self.fates.clear();
        self.fates.resize(width * height, Fate::Changed);
    }

    /// Takes up that nothing is known of a part of a row.
    pub(crate) fn forget(&mut self, y: usize, x: usize, count: usize) {
        for levels in &mut self.levels {
            levels[y * self.width + x..][..count].fill(UNKNOWN);
        }
    }

    /// Takes up the picture that is wanted. A pixel keeps its colour where each channel is within
    /// `slack` of what would be rounded to it, in 255ths of a level.
    #[inline(always)]
    pub(crate) fn update(&mut self, wanted: &Channels, slack: u8) {
        let slack = u16::from(slack);
        for y in 0..self.height {
            let pattern = &PATTERN[y % SIDE * SIDE..][..SIDE];
            for x in (0..self.width).step_by(LANES) {
                let part = y * self.width + x..y * self.width + (x + LANES).min(self.width);
                let pattern = lanes(&pattern[x % SIDE..]);
                let of = |channels: &Channels| -> [[u8; LANES]; 3] {
                    let [red, green, blue] = channels;
                    [
                        lanes(&red[part.clone()]),
                        lanes(&green[part.clone()]),
                        lanes(&blue[part.clone()]),
                    ]
                };
                let mut shown = of(&self.levels);
                let (fates, nearest) = update(&of(wanted), &mut shown, pattern, slack);
                for (levels, shown) in self.levels.iter_mut().zip(shown) {
                    store(&mut levels[part.clone()], shown);
                }
                store(&mut self.nearest[part.clone()], nearest);
                store(&mut self.fates[part], fates);
            }
        }
    }

    /// The effect of the last picture on the pixels of a row.
    pub(crate) fn fates(&self, y: usize) -> &[Fate] {
        &self.fates[y * self.width..][..self.width]
    }

    /// The colour of a pixel: its place in the cube.
    pub(crate) fn color(&self, y: usize, x: usize) -> u8 {
        let at = y * self.width + x;
        if self.fates[at] == Fate::Kept {
            self.levels.iter().fold(0, |color, levels| color * LEVELS + levels[at])
        } else {
            self.nearest[at]
        }
    }

    /// The colour nearest to that of a pixel.
    pub(crate) fn nearest(&self, y: usize, x: usize) -> u8 {
        self.nearest[y * self.width + x]
    }

    /// Takes up that a pixel is shown in the colour nearest to its own.
    pub(crate) fn improve(&mut self, y: usize, x: usize) {
        let at = y * self.width + x;
        let mut rest = self.nearest[at];
        for levels in self.levels.iter_mut().rev() {
            (levels[at], rest) = (rest % LEVELS, rest / LEVELS);
        }
        self.fates[at] = Fate::Stays;
    }
}

/// Pixels that are done at once.
const LANES: usize = 16;

/// The first of a row, and whatever where there are fewer.
#[inline(always)]
fn lanes(row: &[u8]) -> [u8; LANES] {
    row.first_chunk().copied().unwrap_or_else(|| {
        let mut lanes = [0; LANES];
        lanes[..row.len()].copy_from_slice(row);
        lanes
    })
}

#[inline(always)]
fn store<T: Copy>(row: &mut [T], lanes: [T; LANES]) {
    match row.first_chunk_mut() {
        Some(row) => *row = lanes,
        None => row.copy_from_slice(&lanes[..row.len()]),
    }
}

/// Takes up pixels in a row; returns what becomes of them, and the colours nearest to them.
#[inline(always)]
fn update(
    wanted: &[[u8; LANES]; 3],
    shown: &mut [[u8; LANES]; 3],
    pattern: [u8; LANES],
    slack: u16,
) -> ([Fate; LANES], [u8; LANES]) {
    let (mut is_kept, mut is_nearest) = ([true; LANES], [true; LANES]);
    let (mut levels, mut colors) = ([[0; LANES]; 3], [0u16; LANES]);
    for ((wanted, shown), levels) in wanted.iter().zip(&*shown).zip(&mut levels) {
        for lane in 0..LANES {
            let add = u16::from(pattern[lane]);
            let place = u16::from(wanted[lane]) * u16::from(LEVELS - 1) + add;
            // Above the lowest that is kept; what is below it wraps around, and what is not known does.
            let above = (place + slack).wrapping_sub(u16::from(shown[lane]) * UNIT);
            is_kept[lane] &= above < UNIT + 2 * slack;
            // The quotient by 255.
            let level = (place + 1 + (place >> 8)) >> 8;
            colors[lane] = colors[lane] * u16::from(LEVELS) + level;
            levels[lane] = level as u8;
            is_nearest[lane] &= shown[lane] == level as u8;
        }
    }
    for (shown, levels) in shown.iter_mut().zip(&levels) {
        for lane in 0..LANES {
            shown[lane] = if is_kept[lane] { shown[lane] } else { levels[lane] };
        }
    }
    let (mut fates, mut nearest) = ([Fate::Stays; LANES], [0; LANES]);
    for lane in 0..LANES {
        let kept = if is_nearest[lane] { Fate::Stays } else { Fate::Kept };
        fates[lane] = if is_kept[lane] { kept } else { Fate::Changed };
        nearest[lane] = colors[lane] as u8;
    }
    (fates, nearest)
}

/// Ranks of the pixels of a pattern: the more of them are taken, from 0 up, the evener they lie.
fn void_and_cluster() -> Vec<usize> {
    let count = SIDE * SIDE;
    let mut field = Field::default();
    // Some to begin with, moved from where they are dense to where they are rare.
    let mut state = 1u32;
    for _ in 0..count / 10 {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        field.set((state >> 16) as usize % count, true);
    }
    loop {
        let dense = field.extreme(true);
        field.set(dense, false);
        let rare = field.extreme(false);
        field.set(rare, true);
        if dense == rare {
            break;
        }
    }
    let mut ranks = vec![0; count];
    let first: Vec<usize> = (0..count).filter(|at| field.is_set[*at]).collect();
    for rank in (0..first.len()).rev() {
        let dense = field.extreme(true);
        field.set(dense, false);
        ranks[dense] = rank;
    }
    first.iter().for_each(|at| field.set(*at, true));
    for rank in first.len()..count {
        let rare = field.extreme(false);
        field.set(rare, true);
        ranks[rare] = rank;
    }
    ranks
}

/// Pixels on a torus, and how dense they lie around each.
struct Field {
    is_set: Vec<bool>,
    density: Vec<f32>,
    /// The weight of a pixel in another at a distance.
    kernel: Vec<f32>,
}

impl Default for Field {
    fn default() -> Self {
        let distance = |at: usize| at.min(SIDE - at) as f32;
        let weight = |x: usize, y: usize| {
            (-(distance(x).powi(2) + distance(y).powi(2)) / (2.0 * 1.5f32.powi(2))).exp()
        };
        let kernel = (0..SIDE * SIDE).map(|at| weight(at % SIDE, at / SIDE)).collect();
        Self { is_set: vec![false; SIDE * SIDE], density: vec![0.0; SIDE * SIDE], kernel }
    }
}

impl Field {
    fn set(&mut self, at: usize, is_set: bool) {
        if std::mem::replace(&mut self.is_set[at], is_set) == is_set {
            return;
        }
        let sign = if is_set { 1.0 } else { -1.0 };
        let (x, y) = (at % SIDE, at / SIDE);
        for (row, densities) in self.density.chunks_exact_mut(SIDE).enumerate() {
            let kernel = &self.kernel[(row + SIDE - y) % SIDE * SIDE..][..SIDE];
            let kernel = kernel[SIDE - x..].iter().chain(&kernel[..SIDE - x]);
            densities
                .iter_mut()
                .zip(kernel)
                .for_each(|(density, weight)| *density += sign * weight);
        }
    }

    /// The densest of the pixels that are set, or the rarest of those that are not.
    fn extreme(&self, is_set: bool) -> usize {
        let candidates = (0..self.is_set.len()).filter(|at| self.is_set[*at] == is_set);
        let order = |a: &usize, b: &usize| self.density[*a].total_cmp(&self.density[*b]);
        let found = if is_set { candidates.max_by(order) } else { candidates.min_by(order) };
        found.unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(value: u8) -> Channels {
        [(); 3].map(|()| vec![value; SIDE * SIDE])
    }

    #[test]
    fn each_shade_is_shown_in_the_mean() {
        for value in [0, 1, 40, 51, 100, 128, 200, 254, 255] {
            let mut picture = Dithered::default();
            picture.restart(SIDE, SIDE);
            picture.update(&plain(value), 0);
            let sum: usize = picture.levels[1].iter().map(|level| usize::from(*level) * 51).sum();
            let mean = sum as f64 / (SIDE * SIDE) as f64;
            assert!((mean - f64::from(value)).abs() < 0.3, "{mean} for {value}");
        }
    }

    /// Of each square of 8 x 8 pixels, about as many are rounded up, wherever it is.
    #[test]
    fn the_pattern_is_even() {
        let ranks = void_and_cluster();
        let mut sorted = ranks.clone();
        sorted.sort_unstable();
        assert!(sorted.iter().enumerate().all(|(rank, found)| rank == *found));
        for (x, y) in (0..SIDE).step_by(4).flat_map(|x| (0..SIDE).step_by(4).map(move |y| (x, y))) {
            let square = (0..64).map(|i| (y + i / 8) % SIDE * SIDE + (x + i % 8) % SIDE);
            let count = square.filter(|at| ranks[*at] < SIDE * SIDE / 4).count();
            assert!((13..=19).contains(&count), "{count} of 16 at {x}, {y}");
        }
    }

    #[test]
    fn noise_changes_no_pixel_and_what_is_forgotten_changes() {
        let mut picture = Dithered::default();
        picture.restart(SIDE, SIDE);
        picture.update(&plain(100), 0);
        let changed = |picture: &Dithered| {
            picture.fates.iter().filter(|fate| **fate == Fate::Changed).count()
        };
        assert_eq!(changed(&picture), SIDE * SIDE);
        picture.update(&plain(103), 64);
        assert_eq!(changed(&picture), 0);
        picture.forget(3, 10, 5);
        picture.update(&plain(103), 64);
        assert_eq!(changed(&picture), 5);
        assert_eq!(picture.fates(3)[10..15], [Fate::Changed; 5]);
        picture.update(&plain(103), 0);
        assert!(changed(&picture) > 0, "it becomes exact");
    }

    /// By hand: 100 * 5 is 1.96 levels of 255, so that most are rounded down to 1, and 110 * 5 is 2.16.
    #[test]
    fn a_pixel_that_is_kept_has_a_nearer_colour_until_it_takes_that() {
        let mut picture = Dithered::default();
        picture.restart(SIDE, SIDE);
        picture.update(&plain(100), 0);
        picture.update(&plain(110), 100);
        let kept = picture.fates.iter().position(|fate| *fate == Fate::Kept).expect("some are");
        let (x, y) = (kept % SIDE, kept / SIDE);
        let (color, nearest) = (picture.color(y, x), picture.nearest(y, x));
        assert_ne!(color, nearest);
        picture.improve(y, x);
        assert_eq!((picture.color(y, x), picture.fates(y)[x]), (nearest, Fate::Stays));
        picture.update(&plain(110), 100);
        assert_eq!((picture.color(y, x), picture.fates(y)[x]), (nearest, Fate::Stays));
    }
}
