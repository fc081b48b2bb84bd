//! The changes of a picture, in blocks, at a precision that compresses well.
//!
//! Mostly they are sent in few colours ([`few`]), a byte a pixel. Where the picture is to be more exact
//! than those allow, each pixel has a colour of its own. Then, a pixel that is sent differs from the one
//! to its left by a multiple of the step, and by nothing where that is near enough, so the PNG filter
//! Sub makes zeros and few other values of a row. Errors do not add up: each difference is to what is
//! shown. What is not sent is transparent, in the colour of the pixel to its left, which makes zeros,
//! too. Of a block without details, four pixels in a square become one: of what a camera adds as noise,
//! nothing is sent. A dot alone in its block is a detail of its square.

mod few;

use crate::raster::Channels;

/// Pixels of a block, each way.
const BLOCK: usize = 8;
/// A difference of less than this part of a step is sent as none.
const DEAD_ZONE: f32 = 0.6;
/// Pixels of a square that may become one, and squares of a block.
const SQUARE: usize = 4;
const SQUARES: usize = BLOCK * BLOCK / SQUARE;
/// The mean squared difference of pixels from that of their square, in squared steps, up to which they
/// are no details.
const DETAILS: f32 = 2.0;
/// Side of the tiles of a block in whose means its errors are seen, in pixels.
const TILE: usize = 4;
/// The mean squared error of a block's tiles at which it is sent again, in squared steps. It is more than
/// what is mostly left of one that was.
const TOO_FAR: f32 = 0.3;
/// The error of a single pixel at which its block is sent again, in steps: a dot, or what is left of an
/// edge that moved on. It is more than what is left of one that was, and than noise.
const APART: u8 = 6;

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
    /// Whether anything is shown.
    is_known: bool,
    /// Of each block, in rows of blocks.
    is_due: Vec<bool>,
    /// The block at which refining goes on.
    next: usize,
    errors: Vec<u32>,
    /// Of a row of blocks, the greatest error in each column of pixels.
    farthest: Vec<u8>,
    /// The picture that the blocks to be sent are made to show.
    target: Channels,
}

impl Deltas {
    /// Takes up a picture of this size, of which nothing is shown.
    pub(crate) fn restart(&mut self, width: usize, height: usize) {
        (self.width, self.height, self.next) = (width, height, 0);
        self.is_known = false;
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
        self.compare_tiles(wanted);
        for (index, is_due) in self.is_due.iter_mut().enumerate() {
            let across = self.width.div_ceil(BLOCK);
            let (x, y) = (index % across * BLOCK, index / across * BLOCK);
            let pixels = BLOCK.min(self.width - x) * BLOCK.min(self.height - y);
            *is_due = self.errors[index] as f32 > most * (3 * pixels) as f32;
        }
        self.look_for_dots(wanted, step.saturating_mul(APART));
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

    /// Chooses all blocks.
    pub(crate) fn choose_all(&mut self) -> Patch {
        self.is_due.fill(true);
        Patch { x: 0, y: 0, width: self.width, height: self.height }
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

    /// The squared error of each block, of all channels together, as it is seen from a distance: of
    /// its tiles, each for as many pixels as it has. What a camera adds as noise is hardly one.
    fn compare_tiles(&mut self, wanted: &Channels) {
        self.errors.clear();
        self.errors.resize(self.is_due.len(), 0);
        let across = self.width.div_ceil(BLOCK);
        let mut sums = vec![0i32; self.width.div_ceil(TILE)];
        for (shown, wanted) in self.shown.iter().zip(wanted) {
            let rows = |plane| <[u8]>::chunks(plane, TILE * self.width);
            for (row, (shown, wanted)) in rows(shown).zip(rows(wanted)).enumerate() {
                sums.fill(0);
                let lines = shown.chunks_exact(self.width).zip(wanted.chunks_exact(self.width));
                lines.for_each(|(shown, wanted)| add_differences(shown, wanted, &mut sums));
                let errors = &mut self.errors[row * TILE / BLOCK * across..][..across];
                let lines = shown.len() / self.width;
                for (tile, sum) in sums.iter().enumerate() {
                    let pixels = lines * TILE.min(self.width - tile * TILE);
                    errors[tile * TILE / BLOCK] += (sum * sum) as u32 / pixels as u32;
                }
            }
        }
    }

    /// Chooses also the blocks in which a pixel is farther than `most` from what is wanted.
    fn look_for_dots(&mut self, wanted: &Channels, most: u8) {
        let across = self.width.div_ceil(BLOCK);
        for (row, is_due) in self.is_due.chunks_exact_mut(across).enumerate() {
            let farthest = &mut self.farthest;
            farthest.clear();
            farthest.resize(self.width, 0);
            let first = row * BLOCK * self.width;
            let end = (first + BLOCK * self.width).min(self.shown[0].len());
            for (shown, wanted) in self.shown.iter().zip(wanted) {
                let rows =
                    [shown, wanted].map(|channel| channel[first..end].chunks_exact(self.width));
                let [shown, wanted] = rows;
                for (shown, wanted) in shown.zip(wanted) {
                    let pixels = shown.iter().zip(wanted);
                    let errors = pixels.map(|(shown, wanted)| shown.abs_diff(*wanted));
                    farthest
                        .iter_mut()
                        .zip(errors)
                        .for_each(|(most, error)| *most = error.max(*most));
                }
            }
            for (is_due, farthest) in is_due.iter_mut().zip(farthest.chunks(BLOCK)) {
                *is_due |= farthest.iter().any(|error| *error > most);
            }
        }
    }

    /// Whether the block of a pixel is to be sent.
    fn is_due(&self, x: usize, y: usize) -> bool {
        self.is_due[y / BLOCK * self.width.div_ceil(BLOCK) + x / BLOCK]
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
        self.is_known = true;
        let rounding = Rounding::new(step);
        self.smooth(wanted, step, patch);
        for y in patch.y..patch.y + patch.height {
            let mut left = [0; 3];
            for x in (patch.x..patch.x + patch.width).step_by(BLOCK) {
                let count = BLOCK.min(self.width - x);
                if !self.is_due(x, y) {
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
        for (target, wanted) in self.target.iter_mut().zip(wanted) {
            target.resize(wanted.len(), 0);
        }
        let squared = f32::from(step) * f32::from(step);
        let most = if step == 1 { 0 } else { (DETAILS * squared * 3.0 * SQUARE as f32) as u32 };
        for y in (patch.y..patch.y + patch.height).step_by(BLOCK) {
            for x in (patch.x..patch.x + patch.width).step_by(BLOCK) {
                if self.is_due(x, y) {
                    self.smooth_block(wanted, most, (x, y));
                }
            }
        }
    }

    /// Makes squares one pixel each: those with details of `most` or less, in a block that has no more
    /// in the mean of its squares.
    fn smooth_block(&mut self, wanted: &Channels, most: u32, (x, y): (usize, usize)) {
        let (right, bottom) = ((x + BLOCK).min(self.width), (y + BLOCK).min(self.height));
        let places =
            (y..bottom).step_by(2).flat_map(|y| (x..right).step_by(2).map(move |x| (x, y)));
        let (mut means, mut details) = ([[0; 3]; SQUARES], [0; SQUARES]);
        let squares = places.map(|(x, y)| {
            let (next, below) = ((x + 1).min(right - 1), (y + 1).min(bottom - 1));
            [(x, y), (next, y), (x, below), (next, below)].map(|(x, y)| y * self.width + x)
        });
        let mut count = 0;
        for (square, (means, details)) in squares.clone().zip(means.iter_mut().zip(&mut details)) {
            let pixels = wanted.each_ref().map(|channel| square.map(|at| channel[at]));
            *means = pixels.map(mean);
            *details = pixels.iter().zip(&*means).map(|(pixels, mean)| far(*pixels, *mean)).sum();
            count += 1;
        }
        let is_plain = details.iter().sum::<u32>() <= most * count;
        for (square, (means, details)) in squares.zip(means.iter().zip(details)) {
            for ((target, wanted), mean) in self.target.iter_mut().zip(wanted).zip(means) {
                for at in square {
                    target[at] = if is_plain && details <= most { *mean } else { wanted[at] };
                }
            }
        }
    }

    /// Appends all pixels as red, green and blue, and takes up that they are shown.
    pub(crate) fn take_all(&mut self, wanted: &Channels, step: u8, out: &mut Vec<u8>) {
        let rounding = Rounding::new(step);
        let whole = self.choose_all();
        self.smooth(wanted, step, whole);
        self.is_known = true;
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
        self.is_known = true;
        if !is_same {
            self.shown.clone_from(wanted);
        }
        !is_same
    }
}

fn mean(pixels: [u8; SQUARE]) -> u8 {
    let sum: u32 = pixels.into_iter().map(u32::from).sum();
    ((sum + 2) / SQUARE as u32) as u8
}

/// The squared differences of pixels from their mean.
fn far(pixels: [u8; SQUARE], mean: u8) -> u32 {
    pixels.into_iter().map(|pixel| u32::from(pixel.abs_diff(mean)).pow(2)).sum()
}

/// Adds the differences of a row of pixels to those of their tiles.
fn add_differences(shown: &[u8], wanted: &[u8], sums: &mut [i32]) {
    let difference = |(a, b): (&u8, &u8)| i32::from(*a) - i32::from(*b);
    let ((tiles, rest), (wanted_tiles, wanted_rest)) =
        (shown.as_chunks::<TILE>(), wanted.as_chunks::<TILE>());
    for (sum, (shown, wanted)) in sums.iter_mut().zip(tiles.iter().zip(wanted_tiles)) {
        *sum += shown.iter().zip(wanted).map(difference).sum::<i32>();
    }
    if !rest.is_empty() {
        sums[tiles.len()] += rest.iter().zip(wanted_rest).map(difference).sum::<i32>();
    }
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
mod tests;
