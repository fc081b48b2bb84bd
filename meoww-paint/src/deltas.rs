//! The changes of a picture, in blocks, at a precision that compresses well.
//!
//! A pixel that is sent differs from the one to its left by a multiple of the step, and by nothing
//! where that is near enough, so the PNG filter Sub makes zeros and few other values of a row. Errors
//! do not add up: each difference is to what is shown. What is not sent is transparent, in the colour
//! of the pixel to its left, which makes zeros, too. Of a block without details, four pixels in a square
//! become one: of what a camera adds as noise, nothing is sent.

use crate::raster::Channels;

/// Pixels of a block, each way.
const BLOCK: usize = 8;
/// A difference of less than this part of a step is sent as none.
const DEAD_ZONE: f32 = 0.6;
/// The mean squared difference of pixels from that of their square, in squared steps, below which they
/// are no details.
const DETAILS: f32 = 0.9;
/// The mean squared error at which a block is sent again, likewise. It is more than what is mostly left
/// of one that was.
const TOO_FAR: f32 = 1.2;

/// A rectangle of pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Patch {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

/// A picture as it is shown, and which of its blocks are to be sent.
#[derive(Default)]
pub(crate) struct Deltas {
    width: usize,
    height: usize,
    shown: Channels,
    /// Of each block, in rows of blocks.
    is_due: Vec<bool>,
    /// The block at which refining goes on.
    next: usize,
    errors: Vec<u32>,
    /// The picture that the blocks to be sent are made to show.
    target: Channels,
}

impl Deltas {
    /// Takes up a picture of this size, of which nothing is shown.
    pub(crate) fn restart(&mut self, width: usize, height: usize) {
        (self.width, self.height, self.next) = (width, height, 0);
        self.shown.iter_mut().for_each(|channel| {
            channel.clear();
            channel.resize(width * height, 0);
        });
        self.is_due.clear();
        self.is_due.resize(width.div_ceil(BLOCK) * height.div_ceil(BLOCK), true);
    }

    /// Chooses the blocks that are not near enough to what is wanted. Returns the smallest rectangle
    /// with all of them; `None` when there are none.
    pub(crate) fn choose(&mut self, wanted: &Channels, step: u8) -> Option<Patch> {
        let most = TOO_FAR * f32::from(step) * f32::from(step);
        self.compare(wanted);
        for (index, is_due) in self.is_due.iter_mut().enumerate() {
            let across = self.width.div_ceil(BLOCK);
            let (x, y) = (index % across * BLOCK, index / across * BLOCK);
            let pixels = BLOCK.min(self.width - x) * BLOCK.min(self.height - y);
            *is_due = self.errors[index] as f32 > most * (3 * pixels) as f32;
        }
        self.patch()
    }

    /// Chooses so many of the blocks that are not exact, and after them the next ones when it is called
    /// again.
    pub(crate) fn refine(&mut self, wanted: &Channels, most: usize) -> Option<Patch> {
        self.compare(wanted);
        self.is_due.fill(false);
        let (count, mut left) = (self.is_due.len(), most);
        for index in (0..count).map(|offset| (self.next + offset) % count) {
            if self.errors[index] > 0 {
                self.is_due[index] = true;
                left -= 1;
                if left == 0 {
                    self.next = index + 1;
                    break;
                }
            }
        }
        self.patch()
    }

    /// How many blocks there are.
    pub(crate) fn blocks(&self) -> usize {
        self.is_due.len()
    }

    /// The squared error of each block, of all channels together.
    fn compare(&mut self, wanted: &Channels) {
        self.errors.clear();
        self.errors.resize(self.is_due.len(), 0);
        let across = self.width.div_ceil(BLOCK);
        for (shown, wanted) in self.shown.iter().zip(wanted) {
            let rows = shown.chunks_exact(self.width).zip(wanted.chunks_exact(self.width));
            for (y, (shown, wanted)) in rows.enumerate() {
                let errors = &mut self.errors[y / BLOCK * across..][..across];
                let blocks = shown.chunks(BLOCK).zip(wanted.chunks(BLOCK));
                for (error, (shown, wanted)) in errors.iter_mut().zip(blocks) {
                    *error += squares(shown, wanted);
                }
            }
        }
    }

    fn patch(&self) -> Option<Patch> {
        let across = self.width.div_ceil(BLOCK);
        let mut due = (0..self.is_due.len()).filter(|index| self.is_due[*index]);
        let first = due.next()?;
        let (mut left, mut right) = (first % across, first % across);
        let (top, mut bottom) = (first / across, first / across);
        for index in due {
            (left, right) = (left.min(index % across), right.max(index % across));
            bottom = index / across;
        }
        let (x, y) = (left * BLOCK, top * BLOCK);
        let width = ((right + 1) * BLOCK).min(self.width) - x;
        let height = ((bottom + 1) * BLOCK).min(self.height) - y;
        Some(Patch { x, y, width, height })
    }

    /// Appends the pixels of a patch, each as red, green, blue and how opaque it is, and takes up that
    /// they are shown.
    pub(crate) fn take(&mut self, wanted: &Channels, step: u8, patch: Patch, out: &mut Vec<u8>) {
        let across = self.width.div_ceil(BLOCK);
        let rounding = Rounding::new(step);
        self.smooth(wanted, step, patch);
        for y in patch.y..patch.y + patch.height {
            let mut left = [0; 3];
            for x in (patch.x..patch.x + patch.width).step_by(BLOCK) {
                let count = BLOCK.min(self.width - x);
                if !self.is_due[y / BLOCK * across + x / BLOCK] {
                    let [red, green, blue] = left;
                    out.extend([red, green, blue, 0].repeat(count));
                    continue;
                }
                for at in (y * self.width + x..).take(count) {
                    for (channel, left) in left.iter_mut().enumerate() {
                        *left = rounding.near(self.target[channel][at], *left);
                        self.shown[channel][at] = *left;
                    }
                    let [red, green, blue] = left;
                    out.extend_from_slice(&[red, green, blue, u8::MAX]);
                }
            }
        }
    }

    /// Sets what is to be shown of the blocks of a patch.
    fn smooth(&mut self, wanted: &Channels, step: u8, patch: Patch) {
        let across = self.width.div_ceil(BLOCK);
        let most = DETAILS * f32::from(step) * f32::from(step);
        for (target, wanted) in self.target.iter_mut().zip(wanted) {
            target.resize(wanted.len(), 0);
        }
        for y in (patch.y..patch.y + patch.height).step_by(BLOCK) {
            for x in (patch.x..patch.x + patch.width).step_by(BLOCK) {
                if !self.is_due[y / BLOCK * across + x / BLOCK] {
                    continue;
                }
                let (width, height) = (BLOCK.min(self.width - x), BLOCK.min(self.height - y));
                let block = Patch { x, y, width, height };
                let targets = self.target.iter_mut().zip(wanted);
                let details: u32 = targets
                    .map(|(target, wanted)| squares_of_four(wanted, self.width, block, target))
                    .sum();
                if step == 1 || details as f32 > most * (3 * width * height) as f32 {
                    for (target, wanted) in self.target.iter_mut().zip(wanted) {
                        for row in (y..y + height).map(|y| y * self.width + x) {
                            target[row..row + width].copy_from_slice(&wanted[row..row + width]);
                        }
                    }
                }
            }
        }
    }

    /// Appends all pixels as red, green and blue, and takes up that they are shown.
    pub(crate) fn take_all(&mut self, wanted: &Channels, step: u8, out: &mut Vec<u8>) {
        let rounding = Rounding::new(step);
        let (x, y, width, height) = (0, 0, self.width, self.height);
        self.is_due.fill(true);
        self.smooth(wanted, step, Patch { x, y, width, height });
        for y in 0..self.height {
            let mut left = [0; 3];
            for at in (y * self.width..).take(self.width) {
                for (channel, left) in left.iter_mut().enumerate() {
                    *left = rounding.near(self.target[channel][at], *left);
                    self.shown[channel][at] = *left;
                }
                out.extend_from_slice(&left);
            }
        }
    }

    /// Takes up that the very picture is shown; returns whether that is another one.
    pub(crate) fn take_exactly(&mut self, wanted: &Channels) -> bool {
        let is_same = self.shown == *wanted;
        if !is_same {
            self.shown.clone_from(wanted);
        }
        !is_same
    }
}

/// Makes each square of four pixels of a block their mean, and returns the squared differences.
fn squares_of_four(wanted: &[u8], stride: usize, block: Patch, target: &mut [u8]) -> u32 {
    let mut differences = 0;
    for y in (block.y..block.y + block.height).step_by(2) {
        for x in (block.x..block.x + block.width).step_by(2) {
            let right = (x + 1).min(block.x + block.width - 1);
            let below = (y + 1).min(block.y + block.height - 1);
            let square =
                [(x, y), (right, y), (x, below), (right, below)].map(|(x, y)| y * stride + x);
            let sum: u32 = square.iter().map(|at| u32::from(wanted[*at])).sum();
            let mean = (sum + 2) / 4;
            for at in square {
                differences += mean.abs_diff(wanted[at].into()).pow(2);
                target[at] = mean as u8;
            }
        }
    }
    differences
}

fn squares(shown: &[u8], wanted: &[u8]) -> u32 {
    let square = |(a, b): (&u8, &u8)| {
        let difference = i32::from(*a) - i32::from(*b);
        (difference * difference) as u32
    };
    match (shown.first_chunk::<BLOCK>(), wanted.first_chunk::<BLOCK>()) {
        (Some(shown), Some(wanted)) => shown.iter().zip(wanted).map(square).sum(),
        _ => shown.iter().zip(wanted).map(square).sum(),
    }
}

/// Differences from the pixel to the left, in steps.
struct Rounding {
    step: f32,
    part: f32,
}

impl Rounding {
    fn new(step: u8) -> Self {
        let step = f32::from(step);
        Self { step, part: 1.0 / step }
    }

    fn near(&self, wanted: u8, left: u8) -> u8 {
        let steps = (f32::from(wanted) - f32::from(left)) * self.part;
        if steps.abs() < DEAD_ZONE {
            return left;
        }
        // A cast keeps it within 0 and 255.
        (f32::from(left) + steps.round() * self.step) as u8
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn noise(seed: u32, count: usize) -> Channels {
        let mut state = seed;
        [(); 3].map(|()| {
            let mut next = || {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            };
            (0..count).map(|_| next()).collect()
        })
    }

    /// Draws a patch over a picture, as a terminal does.
    fn compose(picture: &mut Channels, width: usize, patch: Patch, pixels: &[u8]) {
        for (index, [red, green, blue, alpha]) in pixels.as_chunks::<4>().0.iter().enumerate() {
            let (x, y) = (patch.x + index % patch.width, patch.y + index / patch.width);
            if *alpha > 0 {
                let at = y * width + x;
                (picture[0][at], picture[1][at], picture[2][at]) = (*red, *green, *blue);
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_composed_is_near_what_is_wanted(
            size in (1usize..40, 1usize..40),
            seeds in prop::collection::vec(any::<u32>(), 1..5),
            step in 1u8..32,
        ) {
            let (width, height) = size;
            let mut deltas = Deltas::default();
            deltas.restart(width, height);
            let mut screen = [(); 3].map(|()| vec![0; width * height]);
            for seed in seeds {
                let wanted = noise(seed, width * height);
                let mut pixels = Vec::new();
                if let Some(patch) = deltas.choose(&wanted, step) {
                    deltas.take(&wanted, step, patch, &mut pixels);
                    prop_assert_eq!(pixels.len(), patch.width * patch.height * 4);
                    compose(&mut screen, width, patch, &pixels);
                }
                prop_assert_eq!(&screen, &deltas.shown);
                // The rest of details, of the dead zone and of rounding to whole numbers.
                deltas.compare(&wanted);
                let most = 2.0 * f32::from(step).powi(2) + 4.0;
                let near = |error: &u32| *error as f32 <= most * 192.0;
                prop_assert!(deltas.errors.iter().all(near), "near at once");
            }
        }

        #[test]
        fn refining_makes_it_exact(size in (1usize..40, 1usize..40), seed: u32, most in 1usize..9) {
            let (width, height) = size;
            let mut deltas = Deltas::default();
            deltas.restart(width, height);
            let (wanted, mut turns) = (noise(seed, width * height), 0);
            while let Some(patch) = deltas.refine(&wanted, most) {
                deltas.take(&wanted, 1, patch, &mut Vec::new());
                turns += 1;
            }
            prop_assert!(turns <= deltas.blocks().div_ceil(most));
            prop_assert!(!deltas.take_exactly(&wanted));
        }
    }
}
