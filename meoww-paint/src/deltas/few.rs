//! Changes in few colours, each pixel a byte: its place among them.

use super::{BLOCK, Deltas, Patch};
use crate::{
    few_colors::{FewColors, TRANSPARENT},
    palette::Rgb,
    raster::Channels,
};

/// A pixel stays as it is shown, or becomes as the one to its left, where no channel is farther from
/// what is wanted than this part of a step.
const STAYS: f32 = 1.0;
const GOES_ON: f32 = 0.8;
/// There is a colour for so many pixels, as each costs three bytes, and for fewer where a channel of theirs
/// would be farther from it than so many steps.
const PIXELS_PER_COLOR: usize = 24;
const FEWEST: usize = 32;
const FAR: f32 = 2.0;

impl Deltas {
    /// Appends the pixels of a patch, as their places in `colors`, and takes up that they are shown.
    /// What is not sent is transparent.
    pub(crate) fn take_in_few(
        &mut self,
        wanted: &Channels,
        step: u8,
        patch: Patch,
        colors: &mut FewColors,
        out: &mut Vec<u8>,
    ) {
        self.smooth(wanted, step, patch);
        self.choose_colors(patch, step, colors);
        let limit = |part: f32| (part * f32::from(step)) as u8;
        let (stays, goes_on) = (limit(STAYS), limit(GOES_ON));
        for y in patch.y..patch.y + patch.height {
            let (mut last, mut color) = (TRANSPARENT, Rgb::default());
            for x in (patch.x..patch.x + patch.width).step_by(BLOCK) {
                let count = BLOCK.min(self.width - x);
                if !self.is_due(x, y) {
                    last = TRANSPARENT;
                    out.extend([TRANSPARENT; BLOCK].iter().take(count));
                    continue;
                }
                for at in (y * self.width + x..).take(count) {
                    let wanted = self.target.each_ref().map(|channel| channel[at]);
                    let shown = self.shown.each_ref().map(|channel| channel[at]);
                    if last == TRANSPARENT || !is_near(wanted, color, goes_on) {
                        let is_kept = self.is_known && is_near(wanted, shown, stays);
                        last = if is_kept { TRANSPARENT } else { colors.place(wanted) };
                        color = colors.palette()[usize::from(last)];
                    }
                    if last != TRANSPARENT {
                        self.shown.iter_mut().zip(color).for_each(|(to, value)| to[at] = value);
                    }
                    out.push(last);
                }
            }
        }
        self.is_known = true;
    }

    /// Finds the colours of the blocks that are due.
    fn choose_colors(&mut self, patch: Patch, step: u8, colors: &mut FewColors) {
        let mut pixels = 0;
        colors.restart();
        for y in patch.y..patch.y + patch.height {
            for x in (patch.x..patch.x + patch.width).step_by(BLOCK) {
                let count = BLOCK.min(self.width - x);
                if self.is_due(x, y) {
                    for at in (y * self.width + x..).take(count) {
                        colors.add(self.target.each_ref().map(|channel| channel[at]));
                    }
                    pixels += count;
                }
            }
        }
        colors.choose((pixels / PIXELS_PER_COLOR).max(FEWEST), FAR * f32::from(step));
    }
}

/// Whether no channel is farther away than that.
fn is_near(a: Rgb, b: Rgb, most: u8) -> bool {
    a.iter().zip(b).all(|(a, b)| a.abs_diff(b) <= most)
}
